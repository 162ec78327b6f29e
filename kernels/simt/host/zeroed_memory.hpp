// Large arrays that start as zeros and are taken from the system page by page, as they are touched.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace simt::host {

// `T` is all right as zero bytes. Huge pages where the system has them: taking a page costs more than using it here.
template <class T>
class ZeroedMemory {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  ZeroedMemory() = default;
  explicit ZeroedMemory(std::size_t count) : bytes_(count * sizeof(T)) {
    void* pages = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    madvise(pages, bytes_, MADV_HUGEPAGE);  // may be refused
    begin_ = static_cast<T*>(pages);
  }
  ZeroedMemory(ZeroedMemory&& other) noexcept
      : begin_(std::exchange(other.begin_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  ZeroedMemory& operator=(ZeroedMemory&& other) noexcept {
    std::swap(begin_, other.begin_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~ZeroedMemory() {
    if (begin_) munmap(begin_, bytes_);
  }

  T& operator[](std::size_t index) const { return begin_[index]; }

 private:
  T* begin_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace simt::host
