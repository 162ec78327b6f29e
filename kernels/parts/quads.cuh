// Exchanges within a quad, the four neighbouring lanes that share a row of a matrix instruction.
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

using LaneWords = simt::Vector<simt::u32, 4>;

// Word j of lane q of each quad becomes word q of lane j.
SIMT_DEVICE LaneWords transpose_quads(LaneWords words, int q) {
  SIMT_UNROLL
  for (int bit = 1; bit < 4; bit *= 2) {
    const bool upper = q & bit;
    SIMT_UNROLL
    for (int j = 0; j < 4; ++j) {
      if (j & bit) continue;
      const simt::u32 got = simt::shuffle_xor(upper ? words[j] : words[j | bit], bit);
      words[j] = upper ? got : words[j], words[j | bit] = upper ? words[j | bit] : got;
    }
  }
  return words;
}

}  // namespace immabench::inline SIMT_TARGET
