// Codes: one value quantized, vectors of codes loaded and stored. docs/numerics.md ("Quantize") is the specification.
#pragma once
#include <quantize/elements.cuh>

namespace immabench::inline SIMT_TARGET {

struct CodeRange {
  int qmin, qmax;
};

SIMT_DEVICE int clamp(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

// Signed codes in registers, one an int.
template <int kCount>
using CodeVector = simt::Vector<int, kCount>;

// rint(x / scale) + zero_point, clamped. The clamp comes before the sum, which then cannot overflow, and is the same.
SIMT_DEVICE int shift_into(int rounded, int zero_point, CodeRange range) {
  return clamp(rounded, range.qmin - zero_point, range.qmax - zero_point) + zero_point;
}

// By the definition: one IEEE division an element, which is some 20 instructions and the way to a routine.
// A NaN rounds to 0.
SIMT_DEVICE int rounded_quotient(float x, float scale) { return simt::to_int_rn(simt::divide_rn(x, scale)); }

// The same for each element of a vector, as code of one division: the vectors go round in their registers.
template <int kCount>
SIMT_DEVICE void divide_each(CodeVector<kCount>& rounded, const simt::Vector<float, kCount>& values, float scale) {
  simt::Vector<float, kCount> x = values;
  SIMT_ROLLED
  for (int round = 0; round < kCount; ++round) {
    const int first = rounded_quotient(x[0], scale);
    SIMT_UNROLL
    for (int i = 0; i + 1 < kCount; ++i) x[i] = x[i + 1], rounded[i] = rounded[i + 1];
    rounded[kCount - 1] = first;
  }
}

// The same for a vector with one scale, by its reciprocal wherever that shows the same integer. In t = x * (1 / scale) two
// roundings of at most 2^-24 each stand against one in the quotient q. So up to |q| = 256 they are less than 2^-14 apart, and
// round to the same integer if t is at least that far from every tie; and beyond, both are outside any code's range, which ends
// at 255 from the zero point. Other vectors are divided: some 3 warps in 100, and all with an infinity, a NaN, or a scale so
// small that its reciprocal is infinite.
template <int kCount>
SIMT_DEVICE CodeVector<kCount> rounded_quotients(const simt::Vector<float, kCount>& x, float scale, float reciprocal) {
  constexpr float kFarFromTies = 0.5f - 1.0f / 16384;
  CodeVector<kCount> rounded;
  bool certain = true;
  SIMT_UNROLL
  for (int i = 0; i < kCount; ++i) {
    const float product = simt::multiply_rn(x[i], reciprocal);
    rounded[i] = simt::to_int_rn(product);
    const float rest = simt::add_rn(product, -simt::to_float_rn(rounded[i]));
    certain = certain && rest <= kFarFromTies && rest >= -kFarFromTies;
  }
  if (__builtin_expect(!certain, false)) divide_each(rounded, x, scale);
  return rounded;
}

// A matrix of codes. `index` counts codes; where they are packed it is even, and so is `count`.
struct CodeView {
  simt::Global<void> data;
  CodeType type;

  template <int kCount, bool kAligned>
  SIMT_DEVICE void store(simt::i64 index, const CodeVector<kCount>& codes, int count) const {
    if (type == CodeType::kS4) return store_packed<kCount, kAligned>(data.as<simt::u8>() + index / 2, codes, count);
    simt::Vector<simt::i8, kCount> bytes;
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) bytes[i] = simt::i8(codes[i]);
    store_vector<kAligned>(data.as<simt::i8>() + index, bytes, count);
  }

  // As they are stored: a byte each, or the first half of the bytes.
  template <int kCount, bool kAligned>
  SIMT_DEVICE simt::Vector<simt::i8, kCount> fetch(simt::i64 index, int count) const {
    if (type == CodeType::kS8) return load_vector<kCount, kAligned>(data.as<simt::i8>() + index, count);
    const auto pairs = load_vector<kCount / 2, kAligned>(data.as<simt::i8>() + index / 2, count / 2);
    simt::Vector<simt::i8, kCount> stored{};
    SIMT_UNROLL
    for (int i = 0; i < kCount / 2; ++i) stored[i] = pairs[i];
    return stored;
  }

  template <int kCount>
  SIMT_DEVICE CodeVector<kCount> decode(const simt::Vector<simt::i8, kCount>& stored) const {
    CodeVector<kCount> codes;
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) {
      codes[i] = type == CodeType::kS8 ? stored[i] : simt::i32(simt::u32(stored[i / 2]) << (i % 2 ? 24 : 28)) >> 28;
    }
    return codes;
  }

 private:
  template <int kCount, bool kAligned>
  SIMT_DEVICE static void store_packed(simt::Global<simt::u8> to, const CodeVector<kCount>& codes, int count) {
    simt::Vector<simt::u8, kCount / 2> pairs;
    SIMT_UNROLL
    for (int i = 0; i < kCount; i += 2) pairs[i / 2] = simt::u8((codes[i] & 0xF) | codes[i + 1] << 4);
    store_vector<kAligned>(to, pairs, count / 2);
  }
};

}  // namespace immabench::inline SIMT_TARGET
