// What cases of floating-point matrix instructions share: random numbers, and their codes.
#pragma once
#include <bit>
#include <random>

#include <simt/host/float_product.hpp>

#include "harness.hpp"

namespace machine_tests {

using simt::BF16;
using simt::F16;
using simt::u16;
using simt::u64;

constexpr int kDepth = simt::host::kFloatDepth;

inline std::mt19937 generator(29);
inline int random_int(int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); }

template <class T>
u16 encode(float value) {
  return u16(std::is_same_v<T, F16> ? simt::pack_f16x2(value, 0) : simt::pack_bf16x2(value, 0));
}

inline u32 bits_of(float value) { return std::bit_cast<u32>(value); }

}  // namespace machine_tests
