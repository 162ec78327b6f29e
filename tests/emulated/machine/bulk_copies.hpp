// What cases of bulk copies share: a tensor and a box of it, and the mbarrier that waits for them.
#pragma once
#include <random>

#include "harness.hpp"

namespace machine_tests {

using simt::i32;
using simt::TensorDescription;
using simt::TensorMap;
using simt::TensorSwizzle;
using simt::u16;
using simt::u64;
using simt::u8;

constexpr u32 kBoxAt = 1024;  // within shared memory
inline u32 box() { return simt::shared_base() + kBoxAt; }
inline u32 mbarrier() { return simt::shared_base(); }

inline void set_up() {
  if (thread() == 0) {
    simt::mbarrier_init(mbarrier(), 1);
    simt::fence_mbarrier_init();
  }
  simt::syncthreads();
}

// A dense tensor over `data`, dimension 0 contiguous, every row padded to a multiple of 16 bytes.
inline TensorDescription dense(const void* data, int element_bytes, std::vector<u32> extent, std::vector<u32> box_extent,
                               TensorSwizzle swizzle = TensorSwizzle::kNone) {
  TensorDescription t;
  t.base = reinterpret_cast<u64>(data);
  t.element_bytes = element_bytes;
  t.rank = int(extent.size());
  t.swizzle = swizzle;
  u64 stride = (extent[0] * u32(element_bytes) + 15) / 16 * 16;
  for (int i = 0; i < t.rank; ++i) {
    t.extent[i] = extent[std::size_t(i)];
    t.box[i] = box_extent[std::size_t(i)];
    if (i > 0) t.stride_bytes[i] = stride;
    if (i > 0) stride *= extent[std::size_t(i)];
  }
  return t;
}

alignas(128) inline u8 source[1 << 16];

inline void fill_source() {
  std::mt19937 random(5);
  for (u8& byte : source) byte = u8(random());
}

}  // namespace machine_tests
