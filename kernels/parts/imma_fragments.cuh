// A warp's share of the block tile, in registers: operand fragments for mma.m16n8k32.s8, and what is done with them.
#pragma once
#include <parts/swizzle.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

constexpr int kMmaM = 16, kMmaN = 8, kMmaK = 32;  // of mma.m16n8k32

template <int kWarpM, int kWarpN>
using ImmaAccumulators = simt::i32[kWarpM / kMmaM][kWarpN / kMmaN][4];

// The operands of one K step (32 elements) of a kWarpM x kWarpN warp tile.
template <int kWarpM, int kWarpN, int kRowBytes>
struct ImmaFragments {
  static_assert(kWarpM % kMmaM == 0 && kWarpN % (2 * kMmaN) == 0, "ldmatrix.x4 loads 16 rows of A or of B");
  using Layout = SwizzledRows<kRowBytes>;
  static constexpr int kChunksPerStep = kMmaK / kChunkBytes;

  simt::u32 a[kWarpM / kMmaM][4];
  simt::u32 b[kWarpN / kMmaN][2];

  // Loads K step `step` of the tiles at `shared_a`, `shared_b`, of which this warp uses the rows from `row_a` and `row_b`.
  // Lane l points ldmatrix at row l % 8 of the 8x16-byte matrix l / 8:
  //   A: rows 0-7 | rows 8-15 of chunk 0, then of chunk 1      B: chunk 0 | chunk 1 of rows 0-7, then of rows 8-15
  SIMT_DEVICE void load(simt::u32 shared_a, int row_a, simt::u32 shared_b, int row_b, int step) {
    const int lane = int(simt::lane_index());
    SIMT_UNROLL
    for (int i = 0; i < kWarpM / kMmaM; ++i) {
      const int row = row_a + i * kMmaM + lane % 16, chunk = step * kChunksPerStep + lane / 16;
      simt::ldmatrix(a[i], shared_a + Layout::offset(row, chunk));
    }
    SIMT_UNROLL
    for (int j = 0; j < kWarpN / kMmaN; j += 2) {
      const int row = row_b + j * kMmaN + lane / 16 * 8 + lane % 8, chunk = step * kChunksPerStep + lane / 8 % 2;
      simt::u32 pair[4];
      simt::ldmatrix(pair, shared_b + Layout::offset(row, chunk));
      b[j][0] = pair[0], b[j][1] = pair[1], b[j + 1][0] = pair[2], b[j + 1][1] = pair[3];
    }
  }

  SIMT_DEVICE void multiply_into(ImmaAccumulators<kWarpM, kWarpN>& accumulators) const {
    simt::mma_tile(simt::S8{}, simt::S8{}, accumulators, a, b);
  }
};

}  // namespace immabench::inline SIMT_TARGET
