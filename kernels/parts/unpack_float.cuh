// From packed codes to the registers of 16-bit floats that mma.sync multiplies, each weight rounded once. Of a lane's four
// words of a fragment-major block (docs/numerics.md), kWords from `first` on are those of a step of 16 elements of K: register
// i is of row r (i even) or r + 8, of the step's first 8 elements (i < 2) or its last. A small integer is exact in the last
// bits of a float whose mantissa counts in ones, so that its bits are the code's, put there by logic; the rest is subtracted,
// exactly.
//
//   instructions for 8 codes (of a group besides: 4 PRMT, in f16 1 HADD2 more, for 16 rows):
//     4 bits, f16    SHF, 4 LOP3, 2 HADD2, 2 HFMA2, 4 HMUL2      13
//     4 bits, bf16   3 SHF, 4 LOP3, 8 HFMA2                      15
//     8 bits, f16    2 SHF, 4 LOP3, 4 HADD2                      10
//     8 bits, bf16   2 SHF, 8 LOP3, 4 HFMA2                      14
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// One instruction each, LOP3, though masks and floats are both constants: written with operators, the compiler makes two.
SIMT_DEVICE simt::u32 masked_or(simt::u32 word, simt::u32 mask, simt::u32 bits) { return simt::logic3<0xEA>(word, mask, bits); }
SIMT_DEVICE simt::u32 masked_xor(simt::u32 word, simt::u32 mask, simt::u32 bits) {
  return simt::logic3<0x6A>(word, mask, bits);
}

// Unsigned codes u of 4 bits as round((u - zero) * scale). A word of parameters is the scale's bits and, in its upper half,
// those of the float kMagic + zero.
template <class T>
struct GroupedCodes;

template <>
struct GroupedCodes<simt::F16> {
  static constexpr int kWords = 1;

  // Of row r and of row r + 8.
  SIMT_DEVICE void take(const simt::Vector<simt::u32, 2>& words) {
    SIMT_UNROLL
    for (int i = 0; i < 2; ++i) scale_[i] = simt::permute_bytes(words[i], 0, 0x1010);
    constexpr simt::u32 k960 = 0x63806380;
    zero_ = simt::permute_bytes(words[0], 0, 0x3232);
    less_ = simt::subtract_rn_f16x2(k960, simt::permute_bytes(words[1], 0, 0x3232));
  }

  SIMT_DEVICE void unpack(const simt::Vector<simt::u32, 4>& words, int first, simt::u32 (&registers)[4]) const {
    constexpr simt::u32 kMagic = 0x64006400, kSixteenth = 0x2C002C00;  // 1024, whose last bit is worth 1
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const simt::u32 word = words[first] >> 8 * half;
      // Codes of row r + 8 lie four bits higher: 1024 + 16 u, a sixteenth of which is 64 + u.
      const simt::u32 low = masked_or(word, 0x000F000F, kMagic), high = masked_or(word, 0x00F000F0, kMagic);
      const simt::u32 upper = simt::subtract_rn_f16x2(low, zero_);
      const simt::u32 lower = simt::fma_rn_f16x2(high, kSixteenth, less_);
      registers[2 * half] = simt::multiply_rn_f16x2(upper, scale_[0]);
      registers[2 * half + 1] = simt::multiply_rn_f16x2(lower, scale_[1]);
    }
  }

 private:
  simt::u32 scale_[2];
  simt::u32 zero_, less_;  // 1024 + zero of row r, -(64 + zero) of row r + 8
};

template <>
struct GroupedCodes<simt::BF16> {
  static constexpr int kWords = 1;

  SIMT_DEVICE void take(const simt::Vector<simt::u32, 2>& words) {
    SIMT_UNROLL
    for (int i = 0; i < 2; ++i) {
      scale_[i] = simt::permute_bytes(words[i], 0, 0x1010);
      zero_[i] = simt::permute_bytes(words[i], 0, 0x3232);
    }
  }

  SIMT_DEVICE void unpack(const simt::Vector<simt::u32, 4>& words, int first, simt::u32 (&registers)[4]) const {
    constexpr simt::u32 kMagic = 0x43004300;  // 128, whose last bit is worth 1
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = masked_or(words[first] >> 4 * i, 0x000F000F, kMagic);
      registers[i] = simt::multiply_rn_bf16x2(simt::subtract_rn_bf16x2(codes, zero_[i % 2]), scale_[i % 2]);
    }
  }

 private:
  simt::u32 scale_[2], zero_[2];  // 128 + zero
};

// int8, which both types hold exactly; scales are the epilogue's.
template <class T>
struct ChannelCodes;

template <>
struct ChannelCodes<simt::F16> {
  static constexpr int kWords = 2;

  SIMT_DEVICE static void unpack(const simt::Vector<simt::u32, 4>& words, int first, simt::u32 (&registers)[4]) {
    constexpr simt::u32 k1152 = 0x64806480;  // 1024 + 128
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      // 1024 + (q + 128): the sign turns around.
      const simt::u32 codes = masked_xor(words[first + i / 2] >> 8 * (i % 2), 0x00FF00FF, k1152);
      registers[i] = simt::subtract_rn_f16x2(codes, k1152);
    }
  }
};

template <>
struct ChannelCodes<simt::BF16> {
  static constexpr int kWords = 2;

  SIMT_DEVICE static void unpack(const simt::Vector<simt::u32, 4>& words, int first, simt::u32 (&registers)[4]) {
    // 7 bits of mantissa hold 128 + the lower 7 bits of q. Its sign is the exponent's lowest bit: 128 becomes 256.
    constexpr simt::u32 k128 = 0x43004300;
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = words[first + i / 2] >> 8 * (i % 2);
      registers[i] = simt::subtract_rn_bf16x2(masked_or(codes, 0x007F007F, k128), masked_or(codes, 0x00800080, k128));
    }
  }
};

}  // namespace immabench::inline SIMT_TARGET
