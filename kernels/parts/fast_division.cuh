// Division by a number that the host knows: one multiplication and a shift instead of some twenty instructions.
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// Of dividends from 0 to 2^31 - 1. With 2^s >= d and m = ceil(2^(31+s) / d), m * d exceeds 2^(31+s) by less than d <= 2^s, so
// floor(n * m / 2^(31+s)) is n / d for every n < 2^31 (Granlund, Montgomery: Division by Invariant Integers using
// Multiplication, PLDI 1994, theorem 4.2). m is below 2^32.
struct FastDivisor {
  simt::u32 divisor = 1, multiplier = 1u << 31;
  int shift = 31;

  FastDivisor() = default;
  explicit constexpr FastDivisor(int by) : divisor(simt::u32(by)), shift(31) {
    int log = 0;
    while ((simt::u64{1} << log) < divisor) ++log;
    shift = 31 + log;
    multiplier = simt::u32(((simt::u64{1} << shift) + divisor - 1) / divisor);
  }

  SIMT_CALLABLE int quotient(int dividend) const { return int(simt::u64(simt::u32(dividend)) * multiplier >> shift); }
  SIMT_CALLABLE int remainder(int dividend, int quotient) const { return dividend - quotient * int(divisor); }
};

}  // namespace immabench::inline SIMT_TARGET
