// From packed codes to the registers of 16-bit floats that mma.sync multiplies, each weight rounded once. `words` are a lane's
// of one step of 16 elements of K, fragment-major (docs/numerics.md): register i of them belongs to row r (i even) or r + 8, to
// the first 8 elements (i < 2) or the last. An integer up to 2^m is exact in the last bits of a float whose m bits of mantissa
// stand for integers, so that its bits are made of the code's by logic; what is too much is subtracted, exactly.
//
//   instructions for 8 codes (of a group besides: 4 PRMT, in f16 1 HADD2 more, for 16 rows):
//     4 bits, f16    SHF, 4 LOP3, 2 HADD2, 2 HFMA2, 4 HMUL2      13
//     4 bits, bf16   3 SHF, 4 LOP3, 8 HFMA2                      15
//     8 bits, f16    2 SHF, 4 LOP3, 4 HADD2                      10
//     8 bits, bf16   2 SHF, 8 LOP3, 4 HFMA2                      14
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

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
    first_ = simt::permute_bytes(words[0], 0, 0x3232);
    second_ = simt::subtract_rn_f16x2(k960, simt::permute_bytes(words[1], 0, 0x3232));
  }

  SIMT_DEVICE void unpack(const simt::u32 (&words)[kWords], simt::u32 (&registers)[4]) const {
    constexpr simt::u32 kMagic = 0x64006400, kSixteenth = 0x2C002C00;  // 1024, whose last bit is worth 1
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const simt::u32 word = words[0] >> 8 * half;
      // Codes of row r + 8 lie four bits higher: 1024 + 16 u, a sixteenth of which is 64 + u.
      const simt::u32 low = (word & 0x000F000Fu) | kMagic, high = (word & 0x00F000F0u) | kMagic;
      const simt::u32 first = simt::subtract_rn_f16x2(low, first_);
      const simt::u32 second = simt::fma_rn_f16x2(high, kSixteenth, second_);
      registers[2 * half] = simt::multiply_rn_f16x2(first, scale_[0]);
      registers[2 * half + 1] = simt::multiply_rn_f16x2(second, scale_[1]);
    }
  }

 private:
  simt::u32 scale_[2];
  simt::u32 first_, second_;  // 1024 + zero of row r, -(64 + zero) of row r + 8
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

  SIMT_DEVICE void unpack(const simt::u32 (&words)[kWords], simt::u32 (&registers)[4]) const {
    constexpr simt::u32 kMagic = 0x43004300;  // 128, whose last bit is worth 1
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = (words[0] >> 4 * i & 0x000F000Fu) | kMagic;
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

  SIMT_DEVICE static void unpack(const simt::u32 (&words)[kWords], simt::u32 (&registers)[4]) {
    constexpr simt::u32 k1152 = 0x64806480;  // 1024 + 128
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      // 1024 + (q + 128): the sign turns around.
      const simt::u32 codes = (words[i / 2] >> 8 * (i % 2) & 0x00FF00FFu) ^ k1152;
      registers[i] = simt::subtract_rn_f16x2(codes, k1152);
    }
  }
};

template <>
struct ChannelCodes<simt::BF16> {
  static constexpr int kWords = 2;

  SIMT_DEVICE static void unpack(const simt::u32 (&words)[kWords], simt::u32 (&registers)[4]) {
    // 7 bits of mantissa hold 128 + the lower 7 bits of q. Its sign is the exponent's lowest bit: 128 becomes 256.
    constexpr simt::u32 k128 = 0x43004300;
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = words[i / 2] >> 8 * (i % 2);
      registers[i] = simt::subtract_rn_bf16x2((codes & 0x007F007Fu) | k128, (codes & 0x00800080u) | k128);
    }
  }
};

}  // namespace immabench::inline SIMT_TARGET
