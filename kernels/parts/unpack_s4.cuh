// From packed 4-bit codes to the int8 registers that mma.sync multiplies. A word of fragment-major weights holds four codes of
// row r in its low nibbles and four of row r + 8 in its high ones.
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// Two's complement codes q as 16 q: 3 instructions for 8 codes. The sums are 16 times too large.
struct ShiftedCodes {
  static constexpr int kShift = 4;

  SIMT_DEVICE static void unpack(simt::u32 word, simt::u32& low, simt::u32& high) {
    low = word << 4 & 0xF0F0F0F0u;
    high = word & 0xF0F0F0F0u;
  }
};

// Unsigned codes u as (u - zero) * step: 7 instructions for 8 codes. u * step + 128 - zero * step is from 0 to 255, so that one
// multiplication and addition serves four bytes without a carry; flipping the top bit takes the 128 away again.
struct AffineCodes {
  static constexpr int kShift = 0;

  simt::u32 step[2], offset[2];  // of row r and of row r + 8; offsets in every byte

  // Of a word of parameters: step, 128 - zero * step of row r, the same of row r + 8.
  SIMT_DEVICE void take(simt::u32 word) {
    step[0] = simt::permute_bytes(word, 0, 0x4440), offset[0] = simt::permute_bytes(word, 0, 0x1111);
    step[1] = simt::permute_bytes(word, 0, 0x4442), offset[1] = simt::permute_bytes(word, 0, 0x3333);
  }
  SIMT_DEVICE void unpack(simt::u32 word, simt::u32& low, simt::u32& high) const {
    low = ((word & 0x0F0F0F0Fu) * step[0] + offset[0]) ^ 0x80808080u;
    high = ((word >> 4 & 0x0F0F0F0Fu) * step[1] + offset[1]) ^ 0x80808080u;
  }
};

}  // namespace immabench::inline SIMT_TARGET
