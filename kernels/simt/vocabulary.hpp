// Types both targets share: addresses, small vectors and operand tags. Nothing here depends on where the kernel runs.
#pragma once
#include <cstdint>

// Everything a kernel touches lives in an inline namespace named after the target, so that one process can hold the emulated
// and the GPU build of the same kernel template without their symbols merging.
#if defined(__CUDACC__)
#define SIMT_TARGET cuda
#define SIMT_CALLABLE __host__ __device__ __forceinline__
#else
#define SIMT_TARGET emulated
#define SIMT_CALLABLE inline
#endif

namespace simt::inline SIMT_TARGET {

using i8 = std::int8_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

constexpr int kWarpSize = 32;

// An address in global memory. Opaque on purpose: there is no operator* and no operator[], so that no access can pass by the
// checks of the emulated machine; load_global and store_global are the only ways in.
template <class T>
struct Global {
  u64 address = 0;

  SIMT_CALLABLE Global operator+(i64 elements) const { return {address + u64(elements) * sizeof(T)}; }
  SIMT_CALLABLE explicit operator bool() const { return address != 0; }
  template <class U>
  SIMT_CALLABLE Global<U> as() const {
    return {address};
  }
};

// N values moved by one instruction; aligned to its own size, as vector loads and stores demand.
template <class T, int N>
struct alignas(sizeof(T) * N) Vector {
  T values[N];

  SIMT_CALLABLE T& operator[](int i) { return values[i]; }
  SIMT_CALLABLE const T& operator[](int i) const { return values[i]; }
};

// Operand types of the integer matrix instructions. `kBits` is the width of an element, `kSigned` its interpretation.
struct S8 {
  static constexpr int kBits = 8;
  static constexpr bool kSigned = true;
};
struct U8 {
  static constexpr int kBits = 8;
  static constexpr bool kSigned = false;
};
struct S4 {
  static constexpr int kBits = 4;
  static constexpr bool kSigned = true;
};
struct U4 {
  static constexpr int kBits = 4;
  static constexpr bool kSigned = false;
};

// Bits, 0 or 1: the product of two is 1 where both are.
struct B1 {
  static constexpr int kBits = 1;
};

// Operand types of the floating-point matrix instructions, two to a register: IEEE binary16, and the upper half of binary32.
struct F16 {
  static constexpr int kBits = 16;
  static constexpr int kExponentBits = 5;
};
struct BF16 {
  static constexpr int kBits = 16;
  static constexpr int kExponentBits = 8;
};

// How a 1-bit matrix instruction combines bits before counting them.
enum class BitOperation { kXor, kAnd };

}  // namespace simt::inline SIMT_TARGET
