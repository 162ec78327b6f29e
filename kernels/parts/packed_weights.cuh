// Packed weights become the register operand of wgmma: one 16-byte load a lane, then integer or half-precision arithmetic.
//
// A fragment-major block is 16 rows of weights in 32 lanes of 16 bytes (docs/numerics.md). A lane holds rows r and r + 8; of an
// instruction's four registers 0 and 2 are of row r, 1 and 3 of row r + 8. Instructions for 8 codes, without what a group
// costs:
//
//   s4 to s8          LOP3, IMAD.SHL LOP3          3   16 q: the sum is 16 times too large, and is shifted back at the end
//   u4 to s8          2 (LOP3 IMAD LOP3), SHF      7   u * step + (128 - zero * step) in each byte, by one multiply-add
//   u4 to f16         4 LOP3, SHF, 4 + 4           13  1024 + u by its bits, less 1024 + zero, times the scale
//   u4 to bf16        4 LOP3, 3 SHF, 4 + 4         15  128 + u likewise
//   s8 to f16, bf16   4 LOP3, 2 SHF, 4; 4 more     10, 14
//
// Nothing of a multiply-add is carried between bytes: each byte of the result is in [0, 255], as zero * step <= 128 and
// (15 - zero) * step <= 127. Every difference is a small integer, exact in 16 bits; the product with the scale rounds once.
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

using PackedWords = simt::Vector<simt::u32, 4>;  // of a lane of a block

// Parameters of a group in a stage: those of kPackedRows rows beside each other, as the call gives them.
constexpr int kPackedRows = 128;

struct GroupAddress {
  simt::u32 scales, affine;
  int row;  // r, of this lane

  // Affine words of rows r and r + 8, which lie beside each other: of 16 rows the order is 0, 8, 1, 9, ..
  template <class Words>
  SIMT_DEVICE Words load_affine() const {
    return simt::load_shared<Words>(affine + simt::u32(row / 16 * 8 + row % 8) * sizeof(Words));
  }
  SIMT_DEVICE float load_scale(int of_row) const { return simt::load_shared<float>(scales + simt::u32(of_row * 4)); }
};

// A format has
//   Operand       the type of wgmma's operands          Sum       what is added up to the end; finish(sum) makes it right
//   kSteps        instructions a block                  kMagic    a constant for `unpack` that stays in a register
//   kScaleBytes, kAffineBytes   of a group's parameters of a row
//   kFloatGroups  whether sums of groups are scaled, in fp32
//   Rows          what is known of rows r and r + 8, loaded where a group begins
//   unpack        an instruction's registers

// No groups.
struct NoGroups {
  simt::u32 magic;

  SIMT_DEVICE explicit NoGroups(simt::u32 constant) : magic(constant) {}
  SIMT_DEVICE void load(const GroupAddress&) {}
};

// Signed codes, integers of 8 bits but for a factor of 16.
struct W4A8Channel {
  using Operand = simt::S8;
  using Sum = simt::i32;
  using Rows = NoGroups;
  static constexpr int kSteps = 2, kScaleBytes = 0, kAffineBytes = 0;
  static constexpr bool kFloatGroups = false;
  static constexpr simt::u32 kMagic = 0;

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
  static constexpr int kSteps = 2, kScaleBytes = 0, kAffineBytes = 2;
  static constexpr bool kFloatGroups = false;
  static constexpr simt::u32 kMagic = 0;
  struct Rows {
    simt::u32 step[2], offset[2];

    SIMT_DEVICE explicit Rows(simt::u32) : step{}, offset{} {}
    SIMT_DEVICE void load(const GroupAddress& group) {
      const auto word = group.load_affine<simt::u32>();
      step[0] = word & 0xFF, step[1] = word >> 16 & 0xFF;
      offset[0] = simt::permute_bytes(word, 0, 0x1111), offset[1] = simt::permute_bytes(word, 0, 0x3333);
    }
  };

  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = words[2 * step + i / 2] >> 4 * (i % 2) & 0x0F0F0F0F;
      a[i] = (codes * rows.step[i % 2] + rows.offset[i % 2]) ^ 0x80808080;
    }
  }
  SIMT_DEVICE static simt::i32 finish(simt::i32 sum) { return sum; }
};

// The same; the sum of a group is scaled.
struct W4A8Float : W4A8Step {
  using Sum = float;
  static constexpr int kScaleBytes = 4;
  static constexpr bool kFloatGroups = true;
  struct Rows : W4A8Step::Rows {
    float scale[2];

    SIMT_DEVICE explicit Rows(simt::u32 constant) : W4A8Step::Rows(constant), scale{} {}
    SIMT_DEVICE void load(const GroupAddress& group) {
      W4A8Step::Rows::load(group);
      SIMT_UNROLL
      for (int i = 0; i < 2; ++i) scale[i] = group.load_scale(group.row + 8 * i);
    }
  };
};

// round((code - zero) * scale) in a 16-bit type. `magic` is the type's 2^n whose last bit is worth 1, in both halves.
struct HalfRows {
  simt::u32 magic, zero[2], scale[2];  // zero: 2^n + zero

  SIMT_DEVICE explicit HalfRows(simt::u32 constant) : magic(constant), zero{}, scale{} {}
  SIMT_DEVICE void load(const GroupAddress& group) {
    const auto words = group.load_affine<simt::Vector<simt::u32, 2>>();
    SIMT_UNROLL
    for (int i = 0; i < 2; ++i) {
      scale[i] = simt::permute_bytes(words[i], 0, 0x1010);
      zero[i] = simt::permute_bytes(words[i], 0, 0x3232);
    }
  }
};

struct W4F16 {
  using Operand = simt::F16;
  using Sum = float;
  static constexpr int kSteps = 4, kScaleBytes = 0, kAffineBytes = 4;
  static constexpr bool kFloatGroups = false;
  static constexpr simt::u32 kMagic = 0x64006400;  // 1024
  struct Rows : HalfRows {
    simt::u32 less = 0;  // of row r + 8: -(64 + zero)

    using HalfRows::HalfRows;
    SIMT_DEVICE void load(const GroupAddress& group) {
      constexpr simt::u32 k960 = 0x63806380;
      HalfRows::load(group);
      less = simt::subtract_rn_f16x2(k960, zero[1]);
    }
  };

  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    constexpr simt::u32 kSixteenth = 0x2C002C00;
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const simt::u32 word = words[step] >> 8 * half;
      const simt::u32 low = (word & 0x000F000F) | rows.magic, high = (word & 0x00F000F0) | rows.magic;
      a[2 * half] = simt::multiply_rn_f16x2(simt::subtract_rn_f16x2(low, rows.zero[0]), rows.scale[0]);
      // (1024 + 16 u) / 16 - (64 + zero): no shift for the high nibbles
      a[2 * half + 1] = simt::multiply_rn_f16x2(simt::fma_rn_f16x2(high, kSixteenth, rows.less), rows.scale[1]);
    }
  }
  SIMT_DEVICE static float finish(float sum) { return sum; }
};

// bf16 has 7 bits of mantissa: they hold the low nibbles alone.
struct W4BF16 {
  using Operand = simt::BF16;
  using Sum = float;
  using Rows = HalfRows;
  static constexpr int kSteps = 4, kScaleBytes = 0, kAffineBytes = 4;
  static constexpr bool kFloatGroups = false;
  static constexpr simt::u32 kMagic = 0x43004300;  // 128

  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const simt::u32 codes = (words[step] >> 4 * i & 0x000F000F) | rows.magic;
      a[i] = simt::multiply_rn_bf16x2(simt::subtract_rn_bf16x2(codes, rows.zero[i % 2]), rows.scale[i % 2]);
    }
  }
  SIMT_DEVICE static float finish(float sum) { return sum; }
};

// Codes of 8 bits, integers that both 16-bit types hold.
struct W8Channel {
  using Sum = float;
  using Rows = NoGroups;
  static constexpr int kSteps = 2, kScaleBytes = 0, kAffineBytes = 0;
  static constexpr bool kFloatGroups = false;

  SIMT_DEVICE static float finish(float sum) { return sum; }
};

struct W8F16 : W8Channel {
  using Operand = simt::F16;
  static constexpr simt::u32 kMagic = 0x64806480;  // 1024 + 128

  SIMT_DEVICE static void unpack(const PackedWords& words, int step, const Rows& rows, simt::u32 (&a)[4]) {
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      // The bits of 1024 + (q + 128): the sign bit turns around.
      const simt::u32 codes = (words[2 * step + i / 2] >> 8 * (i % 2) & 0x00FF00FF) ^ rows.magic;
      a[i] = simt::subtract_rn_f16x2(codes, kMagic);
    }
  }
};

struct W8BF16 : W8Channel {
  using Operand = simt::BF16;
  static constexpr simt::u32 kMagic = 0x43004300;  // 128

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
