// The tile configurations of CUTLASS' kernels by mma.sync, a table a family, and the one rule that says which are valid.
#pragma once
#include <gemm/mma_tile.hpp>

namespace immabench {

// Why CUTLASS has no such kernel, or null: of mainloops by cp.async and mma.sync, what their thread maps divide.
constexpr const char* cutlass_invalid_reason(const MmaTile& tile, const MmaWidths& widths) {
  constexpr int kCopyBytes = 16;
  const int row_bytes = tile.a_row_bytes(widths), threads = tile.threads();
  if (row_bytes != 64 && row_bytes != 128) return "block_k must make rows of 64 or 128 bytes: CUTLASS' swizzled layouts";
  if (tile.block_m % tile.warps_m || tile.block_n % tile.warps_n) return "warps divide the block tile evenly";
  if (tile.warp_m() % 16 || tile.warp_n() % 16) return "a warp tile is whole matrix instructions, in N pairs of them";
  if (tile.a_bytes(widths) % (threads * kCopyBytes) || tile.b_bytes(widths) % (threads * kCopyBytes))
    return "every thread copies the same number of 16-byte chunks of A, and of B";
  if (tile.warp_m() * tile.warp_n() > 64 * 64) return "more than 128 accumulator registers a thread leave too few for the rest";
  if (tile.shares_tiles()) return "K is not split";
  if (tile.stages < 3 || tile.stages > 10) return "3 to 10 stages: with fewer CUTLASS copies through registers";
  if (tile.stages * tile.stage_bytes(widths) < tile.slab_bytes()) return "the stages leave room for the epilogue";
  if (tile.shared_bytes(widths) > 163 * 1024) return "a block has at most 163 KB of shared memory (sm_80)";
  return nullptr;
}

// ---- the tables, one line a configuration: those CUTLASS' own profiler starts from, and few rows.

struct CutlassS8Tiles {
  static constexpr MmaWidths widths = row_major_widths(8);
  static constexpr MmaTile tiles[] = {
      {.block_m = 32, .block_n = 64, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 6},
      {.block_m = 64, .block_n = 64, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 5},
      {.block_m = 64, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 6},
      {.block_m = 128, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 4},
      {.block_m = 128, .block_n = 128, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 3},
      {.block_m = 128, .block_n = 256, .block_k = 64, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 256, .block_n = 128, .block_k = 64, .warps_m = 4, .warps_n = 2, .stages = 3},
  };
};

struct CutlassS4Tiles {
  static constexpr MmaWidths widths = row_major_widths(4);
  static constexpr MmaTile tiles[] = {
      {.block_m = 32, .block_n = 64, .block_k = 256, .warps_m = 2, .warps_n = 2, .stages = 6},
      {.block_m = 64, .block_n = 64, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 6},
      {.block_m = 64, .block_n = 128, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 6},
      {.block_m = 128, .block_n = 128, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 4},
      {.block_m = 128, .block_n = 256, .block_k = 128, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 256, .block_n = 128, .block_k = 128, .warps_m = 4, .warps_n = 2, .stages = 3},
  };
};

// Of convolutions: a K tile is channels of one tap, so that short ones suit networks better.
struct CutlassConvS8Tiles {
  static constexpr MmaWidths widths = row_major_widths(8);
  static constexpr MmaTile tiles[] = {
      {.block_m = 64, .block_n = 64, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 6},
      {.block_m = 128, .block_n = 64, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 5},
      {.block_m = 128, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 4},
      {.block_m = 128, .block_n = 256, .block_k = 64, .warps_m = 2, .warps_n = 4, .stages = 3},
  };
};

template <class Table>
constexpr bool is_valid_cutlass_table() {
  for (const MmaTile& tile : Table::tiles) {
    if (cutlass_invalid_reason(tile, Table::widths)) return false;
  }
  return true;
}
static_assert(is_valid_cutlass_table<CutlassS8Tiles>() && is_valid_cutlass_table<CutlassS4Tiles>());
static_assert(is_valid_cutlass_table<CutlassConvS8Tiles>());

}  // namespace immabench
