// Steps over a block of neighbouring elements, as loops that the compiler vectorises: no branches, one rounding an operation.
// docs/numerics.md is the specification; the scalar definitions are in simt/host/arithmetic.hpp, which tests compare with.
#pragma once
#include <algorithm>
#include <cstdint>
#include <parts/activation.cuh>
#include <quantize/quantize.hpp>
#include <simt/simt.cuh>

namespace immabench::cpu {

using simt::i32;
using simt::i64;
using simt::i8;
using simt::u16;
using simt::u32;

constexpr int kBlock = 512;  // elements: a block, and what belongs to its columns, stay in the nearest cache

template <class T>
const T* at(std::uint64_t address) {
  return reinterpret_cast<const T*>(address);
}
template <class T>
T* writable(std::uint64_t address) {
  return reinterpret_cast<T*>(address);
}

inline u32 bits_of(float value) { return __builtin_bit_cast(u32, value); }
inline float float_of(u32 bits) { return __builtin_bit_cast(float, bits); }

// One value for all elements, in the place of an array.
template <class T>
struct Uniform {
  T value;
  T operator[](i64) const { return value; }
};

// ---- 16-bit floats

struct BF16 {
  static float widen(u16 bits) { return float_of(u32(bits) << 16); }
  static u16 round(float value) {
    const u32 bits = bits_of(value), rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return u16(value == value ? rounded : 0x7FFF);
  }
};

// Numbers below 2^-14 count in units of 2^-24, which is the last bit of numbers from 1/2 to 1: an addition shifts, and rounds.
struct F16 {
  static float widen(u16 stored) {
    const u32 sign = u32(stored & 0x8000) << 16, rest = stored & 0x7FFF;
    const u32 tiny = bits_of(float_of(0x3F000000 + rest) - 0.5f), normal = (rest << 13) + (112u << 23);
    const u32 beyond = rest << 13 | 0x7F800000 | (rest > 0x7C00 ? 0x400000 : 0);
    const u32 magnitude = rest < 0x400 ? tiny : normal;
    return float_of(sign | (rest < 0x7C00 ? magnitude : beyond));
  }
  static u16 round(float value) {
    const u32 bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
    const u32 tiny = bits_of(float_of(magnitude) + 0.5f) - 0x3F000000;
    const u32 normal = (magnitude - (112u << 23) + 0xFFF + (magnitude >> 13 & 1)) >> 13;
    const u32 finite = magnitude < 0x38800000 ? tiny : normal;
    const u32 rounded = sign | (magnitude < 0x477FF000 ? finite : 0x7C00);
    return u16(magnitude > 0x7F800000 ? 0x7FFF : rounded);
  }
};

template <class Half>
void widen_halves(const u16* __restrict stored, float* __restrict values, int count) {
  for (int i = 0; i < count; ++i) values[i] = Half::widen(stored[i]);
}
// Values of what is stored from `index` on: its own memory where it is fp32, else widened into `buffer`.
inline const float* widened(FloatType type, std::uint64_t address, i64 index, float* buffer, int count) {
  if (type == FloatType::kF32) return at<float>(address) + index;
  if (type == FloatType::kF16) widen_halves<F16>(at<u16>(address) + index, buffer, count);
  if (type == FloatType::kBF16) widen_halves<BF16>(at<u16>(address) + index, buffer, count);
  return buffer;
}

template <class Half>
void round_to_half(const float* __restrict values, u16* __restrict out, int count) {
  for (int i = 0; i < count; ++i) out[i] = Half::round(values[i]);
}
inline void copy_floats(const float* __restrict values, float* __restrict out, int count) {
  for (int i = 0; i < count; ++i) out[i] = values[i];
}

// ---- codes

// clamp(rint(quotient) + zero, low + zero, high + zero), a NaN being 0: `low` and `high` are whole numbers, of magnitudes below
// 2^22, so that the clamp may come first. 1.5 * 2^23 added to such a number rounds it half to even and leaves it in the low
// bits.
inline i8 code_of(float quotient, float low, float high, i32 zero) {
  float clamped = quotient == quotient ? quotient : 0.0f;
  clamped = clamped < low ? low : clamped;
  clamped = clamped > high ? high : clamped;
  return i8(bits_of(clamped + 0x1.8p23f) + u32(zero));
}

template <class Scales, class Zeros>
void quantize_block(const float* __restrict values, Scales scale, Zeros zero, float qmin, float qmax, i8* __restrict codes,
                    int count) {
  for (int i = 0; i < count; ++i) {
    const float from = float(zero[i]);
    codes[i] = code_of(values[i] / scale[i], qmin - from, qmax - from, zero[i]);
  }
}

template <class Scales, class Zeros>
void dequantize_block(const i8* __restrict codes, Scales scale, Zeros zero, float* __restrict values, int count) {
  for (int i = 0; i < count; ++i) values[i] = float(codes[i] - zero[i]) * scale[i];
}

}  // namespace immabench::cpu
