// What the table of kernels says of a tile of CUTLASS' kernels by wgmma: its id, and the tile as the library sees it.
#pragma once
#include <gemm/mma_description.hpp>

#include "cutlass3_tile.hpp"

namespace immabench {

inline std::string make_id(const std::string& types, const Cutlass3Tile& tile) {
  constexpr const char* kSchedules[] = {"", "_pingpong", "_coop"};
  std::string id = types + "_" + by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k);
  id += "_w" + std::to_string(tile.consumers());
  if (tile.cluster() > 1) id += "_c" + by(tile.cluster_m, tile.cluster_n);
  return id + "_s" + std::to_string(tile.stages) + kSchedules[int(tile.schedule)] + "_sm90a";
}

inline GemmTile describe(const Cutlass3Tile& tile) {
  return {.instruction = "m64n" + std::to_string(tile.block_n) + "k32",
          .block_m = tile.block_m,
          .block_n = tile.block_n,
          .block_k = tile.block_k,
          .warps_m = tile.consumers_a_tile(),
          .warps_n = 1,
          .warp_m = tile.consumer_rows(),
          .warp_n = tile.block_n,
          .stages = tile.stages,
          .threads = tile.threads(),
          .shared_bytes = tile.shared_bytes(),
          .cluster_m = tile.cluster_m,
          .cluster_n = tile.cluster_n,
          .needs_sm90a = true};
}

}  // namespace immabench
