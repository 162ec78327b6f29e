// What tables of kernels say of a tile by mma.sync: its id, and the tile as the library sees it.
#pragma once
#include <string>

#include <gemm/gemm.hpp>
#include <gemm/mma_tile.hpp>

namespace immabench {

inline std::string by(int a, int b) { return std::to_string(a) + "x" + std::to_string(b); }

inline std::string split(int split_k) {
  if (split_k == 1) return {};
  return split_k == kStreamK ? "_streamk" : "_k" + std::to_string(split_k);
}

inline std::string make_id(const std::string& types, const MmaTile& tile) {
  return types + "_" + by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" +
         by(tile.warps_m, tile.warps_n) + split(tile.split_k) + "_s" + std::to_string(tile.stages) + "_sm80";
}

inline GemmTile describe(const MmaTile& tile, const MmaWidths& widths) {
  return {.instruction = "m16n8k" + std::to_string(widths.mma_k),
          .block_m = tile.block_m,
          .block_n = tile.block_n,
          .block_k = tile.block_k,
          .warps_m = tile.warps_m,
          .warps_n = tile.warps_n,
          .warp_m = tile.warp_m(),
          .warp_n = tile.warp_n(),
          .stages = tile.stages,
          .threads = tile.threads(),
          .shared_bytes = tile.shared_bytes(widths),
          .split_k = tile.split_k == kStreamK ? 1 : tile.split_k,
          .streamed = tile.split_k == kStreamK,
          .ends_at_sm89 = widths.a_bits == 4};
}

}  // namespace immabench
