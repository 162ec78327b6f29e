// Tiles of the fused attention kernel: the configurations, and the one rule that says which are valid.
#pragma once
#include <utility>

namespace immabench {

#if defined(__CUDACC__)
#define IMMABENCH_ATTENTION_CONSTEXPR __host__ __device__ constexpr
#else
#define IMMABENCH_ATTENTION_CONSTEXPR constexpr
#endif

struct AttentionTile {
  int warps;   // of a block, 16 queries each
  int keys;    // of a tile, of which a warp holds all scores of its queries
  int depth;   // of a head, in elements of a byte
  int stages;  // of shared memory, a tile of keys and one of values each
  int blocks;  // a multiprocessor has registers for, at least: as many as ptxas manages without spilling

  IMMABENCH_ATTENTION_CONSTEXPR int queries() const { return 16 * warps; }
  IMMABENCH_ATTENTION_CONSTEXPR int threads() const { return 32 * warps; }
  IMMABENCH_ATTENTION_CONSTEXPR int query_bytes() const { return queries() * depth; }
  IMMABENCH_ATTENTION_CONSTEXPR int stage_bytes() const { return 2 * keys * depth; }
  IMMABENCH_ATTENTION_CONSTEXPR int shared_bytes() const { return query_bytes() + stages * stage_bytes(); }
  // Accumulators of a thread: of scores, of outputs and of the sum of codes.
  IMMABENCH_ATTENTION_CONSTEXPR int accumulators() const { return keys / 2 + depth / 2 + 4; }

  // Why this tile cannot be built, or null.
  constexpr const char* invalid_reason() const {
    if (warps < 1 || warps > 8) return "1 to 8 warps";
    if (depth != 32 && depth != 64 && depth != 128) return "a depth of 32, 64 or 128: rows that shared memory swizzles";
    if (keys % 32 || keys < 32) return "keys in blocks of 32, which one matrix instruction adds up";
    if (accumulators() > 140) return "more than 140 accumulators a thread leave too few registers";
    if (keys * depth / 16 % threads() || queries() * depth / 16 % threads()) return "whole copies of 16 bytes for each thread";
    if (threads() / (depth / 16) % 8) return "the swizzle must repeat from one of a thread's copies to its next";
    if (blocks < 1 || blocks * threads() > 1536) return "as many blocks as threads fit a multiprocessor of sm_86";
    if (stages < 2 || shared_bytes() > 99 * 1024) return "at least 2 stages, and no more shared memory than sm_86 has";
    return nullptr;
  }
};

// One line a configuration.
constexpr AttentionTile kAttentionTiles[] = {
    {.warps = 4, .keys = 64, .depth = 64, .stages = 2, .blocks = 4},
    {.warps = 4, .keys = 128, .depth = 64, .stages = 2, .blocks = 2},
    {.warps = 8, .keys = 64, .depth = 64, .stages = 3, .blocks = 2},
    {.warps = 4, .keys = 128, .depth = 32, .stages = 2, .blocks = 3},
    {.warps = 4, .keys = 64, .depth = 128, .stages = 2, .blocks = 3},
};
constexpr int kAttentionTileCount = sizeof(kAttentionTiles) / sizeof(kAttentionTiles[0]);

// A tile as a type made of integers.
template <int kWarps, int kKeys, int kDepth, int kStages, int kBlocks>
struct AttentionConfig {
  static constexpr AttentionTile tile{kWarps, kKeys, kDepth, kStages, kBlocks};
  static_assert(tile.invalid_reason() == nullptr);
};
template <int kIndex>
using AttentionConfigAt =
    AttentionConfig<kAttentionTiles[kIndex].warps, kAttentionTiles[kIndex].keys, kAttentionTiles[kIndex].depth,
                    kAttentionTiles[kIndex].stages, kAttentionTiles[kIndex].blocks>;

// Calls visit.operator()<Config>() for configuration `index` of the table.
template <class Visit, int kIndex = 0>
auto at_attention_config(int index, Visit&& visit) {
  if constexpr (kIndex + 1 < kAttentionTileCount) {
    if (index > kIndex) return at_attention_config<Visit, kIndex + 1>(index, std::forward<Visit>(visit));
  }
  return visit.template operator()<AttentionConfigAt<kIndex>>();
}

}  // namespace immabench
