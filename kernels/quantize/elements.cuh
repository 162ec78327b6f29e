// The float types quantizers read and write, and vectors of elements moved by one access or one by one.
#pragma once
#include <cstring>

#include <quantize/quantize.hpp>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

SIMT_DEVICE simt::u32 to_bits(float value) {
  simt::u32 bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
SIMT_DEVICE float from_bits(simt::u32 bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// An element type: how it is stored, how its vectors become fp32 (exactly) and how fp32 is rounded to it. Every NaN that is
// stored is 0x7FFFFFFF or 0x7FFF, since IEEE 754 leaves open which one arithmetic makes.
struct ElementF32 {
  using Stored = float;
  SIMT_DEVICE static float widen(float stored) { return stored; }
  template <int kCount>
  SIMT_DEVICE static simt::Vector<float, kCount> round(const simt::Vector<float, kCount>& values) {
    simt::Vector<float, kCount> rounded;
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) rounded[i] = values[i] == values[i] ? values[i] : from_bits(0x7FFFFFFF);
    return rounded;
  }
};

// `pack` makes two 16-bit floats of two floats.
template <int kCount, class Pack>
SIMT_DEVICE simt::Vector<simt::u16, kCount> round_pairs(const simt::Vector<float, kCount>& values, Pack&& pack) {
  simt::Vector<simt::u16, kCount> rounded;
  SIMT_UNROLL
  for (int i = 0; i < kCount; i += 2) {
    const simt::u32 pair = pack(values[i], values[i + 1]);
    rounded[i] = simt::u16(pair), rounded[i + 1] = simt::u16(pair >> 16);
  }
  return rounded;
}

struct ElementF16 {
  using Stored = simt::u16;
  SIMT_DEVICE static float widen(simt::u16 stored) { return simt::from_f16(stored); }
  template <int kCount>
  SIMT_DEVICE static simt::Vector<simt::u16, kCount> round(const simt::Vector<float, kCount>& values) {
    return round_pairs(values, [](float low, float high) { return simt::pack_f16x2(low, high); });
  }
};

struct ElementBF16 {
  using Stored = simt::u16;
  SIMT_DEVICE static float widen(simt::u16 stored) { return from_bits(simt::u32(stored) << 16); }
  template <int kCount>
  SIMT_DEVICE static simt::Vector<simt::u16, kCount> round(const simt::Vector<float, kCount>& values) {
    return round_pairs(values, [](float low, float high) { return simt::pack_bf16x2(low, high); });
  }
};

// The elements of a type that fill 16 bytes.
template <class Stored>
constexpr int kPerAccess = 16 / int(sizeof(Stored));

template <class Element, int kCount>
SIMT_DEVICE simt::Vector<float, kCount> widen(const simt::Vector<typename Element::Stored, kCount>& stored) {
  simt::Vector<float, kCount> values;
  SIMT_UNROLL
  for (int i = 0; i < kCount; ++i) values[i] = Element::widen(stored[i]);
  return values;
}

// kAligned: a whole vector by one access of up to 16 bytes, which it starts on. Otherwise the first `count` elements one by
// one; the others arrive as zeros.
template <int kCount, bool kAligned, class T>
SIMT_DEVICE simt::Vector<T, kCount> load_vector(simt::Global<T> from, int count) {
  if constexpr (kAligned) {
    return simt::load_global(from.template as<simt::Vector<T, kCount>>());
  } else {
    simt::Vector<T, kCount> vector{};
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if (i < count) vector[i] = simt::load_global(from + i);
    }
    return vector;
  }
}

template <bool kAligned, class T, int kCount>
SIMT_DEVICE void store_vector(simt::Global<T> to, const simt::Vector<T, kCount>& vector, int count) {
  if constexpr (kAligned) {
    simt::store_global(to.template as<simt::Vector<T, kCount>>(), vector);
  } else {
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) {
      if (i < count) simt::store_global(to + i, vector[i]);
    }
  }
}

// ---- on the host: calls `visit.template operator()<Element>()` for the element type.
template <class Visit>
auto with_element(FloatType type, Visit&& visit) {
  switch (type) {
    case FloatType::kF16: return visit.template operator()<ElementF16>();
    case FloatType::kBF16: return visit.template operator()<ElementBF16>();
    case FloatType::kF32: break;
  }
  return visit.template operator()<ElementF32>();
}

}  // namespace immabench::inline SIMT_TARGET
