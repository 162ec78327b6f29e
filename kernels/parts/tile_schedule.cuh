// Which output tile a block computes.
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

struct TileCoordinate {
  int m, n;
};

// Blocks start in the order of their index. Walking down groups of kGroup tile rows before going to the next tile column keeps
// the operands of the blocks that run together few: for a wave of W blocks about W/kGroup + kGroup tiles instead of W + 1, so
// they are found in L2.
struct TileSchedule {
  static constexpr int kGroup = 8;
  int m_tiles, n_tiles;

  SIMT_CALLABLE TileCoordinate tile(int block) const {
    const int group_tiles = kGroup * n_tiles, first_m = block / group_tiles * kGroup;
    const int rows = m_tiles - first_m < kGroup ? m_tiles - first_m : kGroup;
    const int within = block % group_tiles;
    return {first_m + within % rows, within / rows};
  }
};

}  // namespace immabench::inline SIMT_TARGET
