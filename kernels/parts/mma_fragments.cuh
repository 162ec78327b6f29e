// A warp's share of a block tile: where it lies, its sums, and its operand fragments out of shared memory.
#pragma once
#include <gemm/mma_tile.hpp>
#include <parts/swizzle.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

constexpr int kMmaM = 16, kMmaN = 8;  // of every mma.sync here

template <class Sum, class Config>
using WarpSums = Sum[Config::tile.warp_m() / kMmaM][Config::tile.warp_n() / kMmaN][4];

// Where in its block's tile a warp's begins.
template <class Config>
struct WarpOrigin {
  int m = int(simt::warp_index()) / Config::tile.warps_n * Config::tile.warp_m();
  int n = int(simt::warp_index()) % Config::tile.warps_n * Config::tile.warp_n();
};

// Fragments of kRows rows of a K-major tile of A, one step.
template <int kRows, int kRowBytes>
SIMT_DEVICE void load_fragments_a(simt::u32 (&a)[kRows / kMmaM][4], simt::u32 tile, int first_row, int step) {
  // Lane l points ldmatrix at row l % 8 of the 8x16-byte matrix l / 8: rows 0-7 | rows 8-15 of chunk 0, then of chunk 1.
  const int lane = int(simt::lane_index());
  SIMT_UNROLL
  for (int i = 0; i < kRows / kMmaM; ++i) {
    const int row = first_row + i * kMmaM + lane % 16, chunk = step * 2 + lane / 16;
    simt::ldmatrix(a[i], tile + SwizzledRows<kRowBytes>::offset(row, chunk));
  }
}

// The same of B, in pairs of 8 rows.
template <int kRows, int kRowBytes>
SIMT_DEVICE void load_fragments_b(simt::u32 (&b)[kRows / kMmaN][2], simt::u32 tile, int first_row, int step) {
  // chunk 0 | chunk 1 of rows 0-7, then of rows 8-15
  const int lane = int(simt::lane_index());
  SIMT_UNROLL
  for (int j = 0; j < kRows / kMmaN; j += 2) {
    const int row = first_row + j * kMmaN + lane / 16 * 8 + lane % 8, chunk = step * 2 + lane / 8 % 2;
    simt::u32 pair[4];
    simt::ldmatrix(pair, tile + SwizzledRows<kRowBytes>::offset(row, chunk));
    b[j][0] = pair[0], b[j][1] = pair[1], b[j + 1][0] = pair[2], b[j + 1][1] = pair[3];
  }
}

}  // namespace immabench::inline SIMT_TARGET
