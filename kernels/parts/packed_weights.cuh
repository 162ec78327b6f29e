// Packed weights become the register operand of wgmma: one 16-byte load a lane, then integer or half-precision arithmetic.
//
// A fragment-major block is 16 rows of weights in 32 lanes of 16 bytes (docs/numerics.md). A lane holds rows r and r + 8; of an
// instruction's four registers 0 and 2 are of row r, 1 and 3 of row r + 8. Per 8 codes, without loads and what a group costs:
//
//   s4, a scale a channel     LOP3, SHF+LOP3                 3   16 q as int8: the sum is 16 times too large, and is shifted back
//   4 bits, an integer step   2 LOP3 IMAD LOP3, SHF          7   u * step + (128 - z * step) in each byte, by one multiply-add
//   4 bits, a float scale     the same with IADD             7   q - z as int8; sums of a group are scaled
//   4 bits to f16             2 SHF.. LOP3 HADD2|HFMA2 HMUL2 13  1024 + u by its bits, less 1024 + z, times the scale
//   4 bits to bf16            3 SHF 4 x (LOP3 HFMA2 HFMA2)   15  128 + u likewise
//   8 bits to f16 | bf16      SHF, 2 LOP3, 2 HADD2 | 7 of 4  10 | 14
//
// None of the multiply-adds carries between bytes: every byte of the result is in [0, 255], as z * step <= 128 and
// (15 - z) * step <= 127. Every difference is a small integer, exact in 16 bits; the product with the scale rounds once.
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

using PackedWords = simt::Vector<simt::u32, 4>;  // of a lane of a block

// Words of shared memory that say what a group's codes of one row stand for, in planes of kPackedRows words.
constexpr int kPackedRows = 128;

SIMT_DEVICE simt::u32 load_parameter(simt::u32 parameters, int plane, int row) {
  return simt::load_shared<simt::u32>(parameters + simt::u32((plane * kPackedRows + row) * 4));
}

// A format has
//   Operand             the type of wgmma's operands        Sum        what they are added up in, and finish(sum) of the last
//   kSteps              instructions a block                kFloatGroups   whether sums of a group are scaled, in fp32
//   kParameterPlanes    words a group and row, in shared memory
//   kSignedCodes, kUnsignedCodes   constants that `unpack` exchanges the codes' sign bits by
//   Rows                what is known of rows r and r + 8, loaded at the beginning of a group
//   parameters(...)     the words of a group and row, from what the call gives
//   unpack(words, step, rows, a)

// What a call gives for a group and row; what is absent has its neutral value.
struct GroupOfRow {
  simt::u32 scale;  // its bits
  simt::u32 step, zero;
};

// Codes that are integers of 8 bits already but for a factor of 16.
struct W4A8Channel {
  using Operand = simt::S8;
  using Sum = simt::i32;
  static constexpr int kSteps = 2, kParameterPlanes = 0;
  static constexpr bool kFloatGroups = false;
  static constexpr simt::u32 kSignedCodes = 0, kUnsignedCodes = 0;
  struct Rows {
    SIMT_DEVICE explicit Rows(simt::u32) {}
    SIMT_DEVICE void load(simt::u32, int) {}
  };

  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows&, simt::u32 (&a)[4]) {
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const simt::u32 word = words[2 * step + half];
      a[2 * half] = word << 4 & 0xF0F0F0F0;
      a[2 * half + 1] = word & 0xF0F0F0F0;
    }
  }
  // Exact: every product is a multiple of 16.
  SIMT_DEVICE static simt::i32 finish(simt::i32 sum) { return sum >> 4; }
};

// (code - zero) * step, an integer of 8 bits.
struct W4A8Step {
  using Operand = simt::S8;
  using Sum = simt::i32;
  using Scale = simt::u8;  // none is loaded
  static constexpr int kSteps = 2, kParameterPlanes = 1;
  static constexpr bool kScaled = false, kStepped = true;
  static constexpr bool kFloatGroups = false;
  static constexpr simt::u32 kSignedCodes = 0x08080808, kUnsignedCodes = 0;
  struct Rows {
    simt::u32 exchange, step[2], offset[2];

    SIMT_DEVICE explicit Rows(simt::u32 codes) : exchange(codes), step{}, offset{} {}
    SIMT_DEVICE void load(simt::u32 parameters, int row) {
      SIMT_UNROLL
      for (int i = 0; i < 2; ++i) {
        const simt::u32 word = load_parameter(parameters, 0, row + 8 * i);
        step[i] = word & 0xFF;
        offset[i] = simt::permute_bytes(word, 0, 0x1111);
      }
    }
  };

  SIMT_DEVICE static void parameters(const GroupOfRow& group, simt::u32 (&words)[kParameterPlanes]) {
    words[0] = group.step | (128 - group.zero * group.step) << 8;
  }
  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = (words[2 * step + i / 2] >> 4 * (i % 2) & 0x0F0F0F0F) ^ rows.exchange;
      a[i] = (codes * rows.step[i % 2] + rows.offset[i % 2]) ^ 0x80808080;
    }
  }
  SIMT_DEVICE static simt::i32 finish(simt::i32 sum) { return sum; }
};

// code - zero as an integer of 8 bits; the sum of a group is scaled.
struct W4A8Float {
  using Operand = simt::S8;
  using Sum = float;
  using Scale = simt::u32;  // bits of a float
  static constexpr int kSteps = 2, kParameterPlanes = 2;
  static constexpr bool kScaled = true, kStepped = false;
  static constexpr bool kFloatGroups = true;
  static constexpr simt::u32 kSignedCodes = 0x08080808, kUnsignedCodes = 0;
  struct Rows {
    simt::u32 exchange, offset[2];
    float scale[2];

    SIMT_DEVICE explicit Rows(simt::u32 codes) : exchange(codes), offset{}, scale{} {}
    SIMT_DEVICE void load(simt::u32 parameters, int row) {
      SIMT_UNROLL
      for (int i = 0; i < 2; ++i) {
        scale[i] = simt::bits_as_float(load_parameter(parameters, 0, row + 8 * i));
        offset[i] = load_parameter(parameters, 1, row + 8 * i);
      }
    }
  };

  SIMT_DEVICE static void parameters(const GroupOfRow& group, simt::u32 (&words)[kParameterPlanes]) {
    words[0] = group.scale;
    words[1] = (128 - group.zero) * 0x01010101u;
  }
  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = (words[2 * step + i / 2] >> 4 * (i % 2) & 0x0F0F0F0F) ^ rows.exchange;
      a[i] = (codes + rows.offset[i % 2]) ^ 0x80808080;
    }
  }
};

// round((code - zero) * scale) in f16.
struct W4F16 {
  using Operand = simt::F16;
  using Sum = float;
  using Scale = simt::u16;
  static constexpr int kSteps = 4, kParameterPlanes = 1;
  static constexpr bool kScaled = true, kStepped = false;
  static constexpr bool kFloatGroups = false;
  static constexpr simt::u32 kMagic = 0x64006400;  // 1024, whose last bit is worth 1
  static constexpr simt::u32 kSignedCodes = kMagic | 0x00080008, kUnsignedCodes = kMagic;
  struct Rows {
    simt::u32 exchange, shifted;    // for codes in the low four bits, and four bits higher
    simt::u32 zero, less, scale[2];  // 1024 + zero of row r, -(64 + zero) of row r + 8

    SIMT_DEVICE explicit Rows(simt::u32 codes)
        : exchange(codes), shifted((codes & 0x00080008) << 4 | kMagic), zero(0), less(0), scale{} {}
    SIMT_DEVICE void load(simt::u32 parameters, int row) {
      const simt::u32 first = load_parameter(parameters, 0, row), second = load_parameter(parameters, 0, row + 8);
      scale[0] = simt::permute_bytes(first, 0, 0x1010), scale[1] = simt::permute_bytes(second, 0, 0x1010);
      zero = simt::permute_bytes(first, 0, 0x3232);
      constexpr simt::u32 k960 = 0x63806380;
      less = simt::subtract_rn_f16x2(k960, simt::permute_bytes(second, 0, 0x3232));
    }
  };

  SIMT_DEVICE static void parameters(const GroupOfRow& group, simt::u32 (&words)[kParameterPlanes]) {
    words[0] = group.scale | ((kMagic & 0xFFFF) + group.zero) << 16;
  }
  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    constexpr simt::u32 kSixteenth = 0x2C002C00;
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const simt::u32 word = words[step] >> 8 * half;
      const simt::u32 low = (word & 0x000F000F) ^ rows.exchange, high = (word & 0x00F000F0) ^ rows.shifted;
      a[2 * half] = simt::multiply_rn_f16x2(simt::subtract_rn_f16x2(low, rows.zero), rows.scale[0]);
      // (1024 + 16 u) / 16 - (64 + z)
      a[2 * half + 1] = simt::multiply_rn_f16x2(simt::fma_rn_f16x2(high, kSixteenth, rows.less), rows.scale[1]);
    }
  }
  SIMT_DEVICE static float finish(float sum) { return sum; }
};

// The same in bf16, whose 7 bits of mantissa hold 128 + u and nothing higher.
struct W4BF16 {
  using Operand = simt::BF16;
  using Sum = float;
  using Scale = simt::u16;
  static constexpr int kSteps = 4, kParameterPlanes = 1;
  static constexpr bool kScaled = true, kStepped = false;
  static constexpr bool kFloatGroups = false;
  static constexpr simt::u32 kMagic = 0x43004300;  // 128
  static constexpr simt::u32 kSignedCodes = kMagic | 0x00080008, kUnsignedCodes = kMagic;
  struct Rows {
    simt::u32 exchange, zero[2], scale[2];

    SIMT_DEVICE explicit Rows(simt::u32 codes) : exchange(codes), zero{}, scale{} {}
    SIMT_DEVICE void load(simt::u32 parameters, int row) {
      SIMT_UNROLL
      for (int i = 0; i < 2; ++i) {
        const simt::u32 word = load_parameter(parameters, 0, row + 8 * i);
        scale[i] = simt::permute_bytes(word, 0, 0x1010), zero[i] = simt::permute_bytes(word, 0, 0x3232);
      }
    }
  };

  SIMT_DEVICE static void parameters(const GroupOfRow& group, simt::u32 (&words)[kParameterPlanes]) {
    words[0] = group.scale | ((kMagic & 0xFFFF) + group.zero) << 16;
  }
  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = (words[step] >> 4 * i & 0x000F000F) ^ rows.exchange;
      a[i] = simt::multiply_rn_bf16x2(simt::subtract_rn_bf16x2(codes, rows.zero[i % 2]), rows.scale[i % 2]);
    }
  }
  SIMT_DEVICE static float finish(float sum) { return sum; }
};

// Codes of 8 bits, integers that both 16-bit types hold.
struct W8Channel {
  using Sum = float;
  static constexpr int kSteps = 2, kParameterPlanes = 0;
  static constexpr bool kFloatGroups = false;
  struct Rows {
    simt::u32 magic;  // in a register: LOP3 takes one constant

    SIMT_DEVICE explicit Rows(simt::u32 codes) : magic(codes) {}
    SIMT_DEVICE void load(simt::u32, int) {}
  };
  SIMT_DEVICE static float finish(float sum) { return sum; }
};

struct W8F16 : W8Channel {
  using Operand = simt::F16;
  static constexpr simt::u32 kSignedCodes = 0x64806480, kUnsignedCodes = kSignedCodes;  // 1024 + 128

  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      // The bits of 1024 + (q + 128): the sign bit turns around.
      const simt::u32 codes = (words[2 * step + i / 2] >> 8 * (i % 2) & 0x00FF00FF) ^ rows.magic;
      a[i] = simt::subtract_rn_f16x2(codes, kSignedCodes);
    }
  }
};

struct W8BF16 : W8Channel {
  using Operand = simt::BF16;
  static constexpr simt::u32 kSignedCodes = 0x43004300, kUnsignedCodes = kSignedCodes;  // 128

  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = words[2 * step + i / 2] >> 8 * (i % 2);
      // A code's sign is where the exponent's lowest bit is: with it 128 is 256, which is what a negative code lacks.
      a[i] = simt::subtract_rn_bf16x2((codes & 0x007F007F) | rows.magic, (codes & 0x00800080) | rows.magic);
    }
  }
};

}  // namespace immabench::inline SIMT_TARGET
