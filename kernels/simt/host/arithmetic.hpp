// Arithmetic with its rounding stated, on the CPU. Host code is compiled without contraction (-ffp-contract=off), so one
// operation is one rounding to nearest even. See device/arithmetic.cuh for the meanings.
#pragma once
#include <cmath>
#include <cstring>
#include <limits>

#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

inline float multiply_rn(float a, float b) { return a * b; }
inline float add_rn(float a, float b) { return a + b; }
inline float divide_rn(float a, float b) { return a / b; }
inline float sqrt_rn(float a) { return std::sqrt(a); }
inline float to_float_rn(i32 value) { return static_cast<float>(value); }

inline i32 to_int_rn(float value) {
  if (std::isnan(value)) return 0;
  if (value >= 2147483648.0f) return std::numeric_limits<i32>::max();
  if (value < -2147483648.0f) return std::numeric_limits<i32>::min();
  return static_cast<i32>(std::nearbyint(value));
}

inline float float_of_bits(u32 bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

namespace detail {

constexpr u16 kCanonicalNaN = 0x7FFF;  // what the GPU's conversions to 16 bits make of every NaN

inline u32 float_bits(float value) {
  u32 bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of_f16(u16 bits) {
  const u32 sign = u32(bits & 0x8000) << 16, exponent = bits >> 10 & 0x1F, mantissa = bits & 0x3FF;
  if (exponent == 0x1F) return float_of_bits(sign | 0x7F800000 | mantissa << 13 | (mantissa ? 0x400000 : 0));
  if (exponent != 0) return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
  return std::copysign(std::ldexp(static_cast<float>(mantissa), -24), float_of_bits(sign));
}

// `value` / 2^shift, rounded half to even.
constexpr u32 shift_right_rn(u32 value, u32 shift) {
  const u32 kept = value >> shift, rest = value & ((1u << shift) - 1), half = 1u << (shift - 1);
  return kept + (rest > half || (rest == half && (kept & 1)));
}

inline u16 to_bf16_rn(float value) {
  if (std::isnan(value)) return kCanonicalNaN;
  return static_cast<u16>(
      shift_right_rn(float_bits(value), 16));  // a carry out of the mantissa is the next exponent, or infinity
}

inline u16 to_f16_rn(float value) {
  if (std::isnan(value)) return kCanonicalNaN;
  const u32 bits = float_bits(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  constexpr u32 kInfinity = 0x7C00, kOverflow = 0x477FF000;           // from 65520 on, halfway past the largest f16
  constexpr u32 kSmallestNormal = 0x38800000, kHalfUlp = 0x33000000;  // 2^-14, 2^-25
  if (magnitude >= kOverflow) return static_cast<u16>(sign | kInfinity);
  if (magnitude >= kSmallestNormal) return static_cast<u16>(sign | shift_right_rn(magnitude - (112u << 23), 13));
  if (magnitude < kHalfUlp) return static_cast<u16>(sign);
  const u32 exponent = magnitude >> 23, mantissa = (magnitude & 0x7FFFFF) | 0x800000;  // a subnormal: units of 2^-24
  return static_cast<u16>(sign | shift_right_rn(mantissa, 126 - exponent));
}

// `value` in fp32, rounded to odd where it is inexact: of its two neighbours the one whose last bit is set. Rounding that to
// fewer bits, to nearest even, is rounding `value` (Boldo, Melquiond, "Emulation of a FMA and correctly rounded sums").
inline float to_float_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(value) || float_bits(nearest) & 1) return nearest;
  return std::nextafter(nearest, static_cast<float>(value > nearest ? HUGE_VAL : -HUGE_VAL));
}

// a + b rounded to odd in float64.
inline double add_odd(double a, double b) {
  const double sum = a + b;
  if (!std::isfinite(sum)) return sum;
  const double moved = sum - a, error = (a - (sum - moved)) + (b - moved);
  u64 bits;
  std::memcpy(&bits, &sum, sizeof bits);
  return error == 0 || bits & 1 ? sum : std::nextafter(sum, error > 0 ? HUGE_VAL : -HUGE_VAL);
}

// A function of 16-bit floats on both halves of words, its float64 result rounded once.
template <class Function, class... Words>
u32 in_halves_f16(Function&& function, Words... words) {
  const u16 low = to_f16_rn(to_float_odd(function(double(float_of_f16(u16(words)))...)));
  return low | u32(to_f16_rn(to_float_odd(function(double(float_of_f16(u16(words >> 16)))...)))) << 16;
}
template <class Function, class... Words>
u32 in_halves_bf16(Function&& function, Words... words) {
  const u16 low = to_bf16_rn(to_float_odd(function(double(float_of_bits(words << 16))...)));
  return low | u32(to_bf16_rn(to_float_odd(function(double(float_of_bits(words & 0xFFFF0000u))...)))) << 16;
}
inline double fma_odd(double a, double b, double c) { return add_odd(a * b, c); }  // products of 16-bit floats are exact
inline double multiply(double a, double b) { return a * b; }
inline double subtract_odd(double a, double b) { return add_odd(a, -b); }

}  // namespace detail

inline u32 fma_rn_f16x2(u32 a, u32 b, u32 c) { return detail::in_halves_f16(detail::fma_odd, a, b, c); }
inline u32 multiply_rn_f16x2(u32 a, u32 b) { return detail::in_halves_f16(detail::multiply, a, b); }
inline u32 subtract_rn_f16x2(u32 a, u32 b) { return detail::in_halves_f16(detail::subtract_odd, a, b); }
inline u32 fma_rn_bf16x2(u32 a, u32 b, u32 c) { return detail::in_halves_bf16(detail::fma_odd, a, b, c); }
inline u32 multiply_rn_bf16x2(u32 a, u32 b) { return detail::in_halves_bf16(detail::multiply, a, b); }
inline u32 subtract_rn_bf16x2(u32 a, u32 b) { return detail::in_halves_bf16(detail::subtract_odd, a, b); }

inline u32 pack_f16x2(float low, float high) { return detail::to_f16_rn(low) | u32(detail::to_f16_rn(high)) << 16; }
inline u32 pack_bf16x2(float low, float high) { return detail::to_bf16_rn(low) | u32(detail::to_bf16_rn(high)) << 16; }

inline float from_f16(u16 bits) { return detail::float_of_f16(bits); }
inline float from_bf16(u16 bits) { return float_of_bits(u32(bits) << 16); }

inline i32 dot_s8(u32 a, u32 b, i32 c) {
  u32 sum = u32(c);
  for (int i = 0; i < 4; ++i) sum += u32(i32(i8(a >> 8 * i)) * i32(i8(b >> 8 * i)));
  return i32(sum);
}

struct ByteMaxima {
  u32 bytes = 0x80808080u;
};
inline void include_bytes(ByteMaxima& maxima, u32 bytes) {
  for (int shift = 0; shift < 32; shift += 8) {
    const u32 mask = 0xFFu << shift;
    if (i8(bytes >> shift) > i8(maxima.bytes >> shift)) maxima.bytes = (maxima.bytes & ~mask) | (bytes & mask);
  }
}
inline u32 maximal_bytes(const ByteMaxima& maxima) { return maxima.bytes; }

inline u32 permute_bytes(u32 low, u32 high, u32 selector) {
  const u64 bytes = u64(high) << 32 | low;
  u32 result = 0;
  for (int i = 0; i < 4; ++i) {
    const u32 pick = selector >> 4 * i & 0xF;
    u32 byte = u32(bytes >> 8 * (pick & 7)) & 0xFF;
    if (pick & 8) byte = byte & 0x80 ? 0xFF : 0;
    result |= byte << 8 * i;
  }
  return result;
}

template <int kTable>
u32 logic3(u32 a, u32 b, u32 c) {
  u32 result = 0;
  for (int row = 0; row < 8; ++row) {
    if (!(kTable >> row & 1)) continue;
    result |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
  }
  return result;
}

inline u32 funnel_shift_right(u32 low, u32 high, u32 shift) { return u32((u64(high) << 32 | low) >> (shift & 31)); }

}  // namespace simt::inline SIMT_TARGET
