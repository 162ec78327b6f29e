// The tile configurations of the wgmma INT8 GEMM and convolution, and the one rule that says which are valid.
#pragma once
#include <gemm/mma_tile.hpp>

namespace immabench {

constexpr int kWgmmaM = 64;          // rows of one instruction
constexpr int kWgmmaRowBytes = 128;  // of a row: a swizzled line, four instructions deep
constexpr int kWarpgroupThreads = 128;

// Of a multiprocessor that a block of so many threads has to itself: what ptxas gives each thread, in steps of 8. Warpgroups
// that would take more than is there wait forever.
IMMABENCH_CONSTEXPR int registers_at_start(int threads) { return 65536 / threads / 8 * 8; }
IMMABENCH_CONSTEXPR bool can_exchange(int threads, int producer, int consumer) {
  const int consumers = threads / kWarpgroupThreads - 1;
  return producer + consumers * consumer <= (consumers + 1) * registers_at_start(threads);
}

// Sizes in elements (of 8 bits). One warpgroup produces, `consumers` multiply. The instruction takes 64 rows; `swapped` says
// that those are rows of B (columns of the output) instead of A, for outputs with few rows. A cluster either shares its
// operands
// (`cluster_m` x `cluster_n` tiles side by side) or splits K (`split_k` blocks on one tile).
struct WgmmaTile {
  int block_m, block_n, block_k = kWgmmaRowBytes;
  int consumers;
  int cluster_m = 1, cluster_n = 1, split_k = 1;
  int stages;
  bool swapped = false;

  // The operand whose rows the instruction takes by 64 and the one that is its N: A and B, or B and A.
  IMMABENCH_CONSTEXPR int block_rows() const { return swapped ? block_n : block_m; }
  IMMABENCH_CONSTEXPR int block_columns() const { return swapped ? block_m : block_n; }
  IMMABENCH_CONSTEXPR int cluster_rows() const { return swapped ? cluster_n : cluster_m; }
  IMMABENCH_CONSTEXPR int cluster_columns() const { return swapped ? cluster_m : cluster_n; }
  IMMABENCH_CONSTEXPR int cluster() const { return cluster_m * cluster_n * split_k; }

  IMMABENCH_CONSTEXPR int consumer_rows() const { return block_rows() / consumers; }
  IMMABENCH_CONSTEXPR int row_groups() const { return consumer_rows() / kWgmmaM; }
  IMMABENCH_CONSTEXPR int accumulators() const { return row_groups() * block_columns() / 2; }
  IMMABENCH_CONSTEXPR int threads() const { return (consumers + 1) * kWarpgroupThreads; }

  // Sums of few rows or of a part of K meet in shared memory; whole tiles leave it by the Tensor Memory Accelerator and the
  // block goes on with the next one meanwhile.
  IMMABENCH_CONSTEXPR bool gathers() const { return swapped || split_k > 1; }
  IMMABENCH_CONSTEXPR bool persistent() const { return !gathers(); }

  IMMABENCH_CONSTEXPR int stage_bytes() const { return (block_m + block_n) * block_k; }
  // A warpgroup's boxes on their way out: 64 rows of 128 bytes each, one being written while the other leaves.
  IMMABENCH_CONSTEXPR int staging_bytes() const { return gathers() ? 0 : consumers * 2 * kWgmmaM * kWgmmaRowBytes; }
  // The gathered tile takes the place of the stages: padded rows of int32 (parts/gathered_epilogue.cuh).
  IMMABENCH_CONSTEXPR int gather_bytes() const { return gathers() ? block_m * (block_n + (swapped ? 4 : 8)) * 4 : 0; }
  IMMABENCH_CONSTEXPR int barrier_bytes() const { return 2 * stages * 8; }
  IMMABENCH_CONSTEXPR int shared_bytes() const {
    const int ring = stages * stage_bytes();
    return 1024 + (ring > gather_bytes() ? ring : gather_bytes()) + staging_bytes() + barrier_bytes();
  }

  // Registers a thread, of the 64 K of a multiprocessor: few for who only asks for copies, the rest for who multiplies.
  IMMABENCH_CONSTEXPR bool reallocates() const { return consumers > 1; }
  IMMABENCH_CONSTEXPR int producer_registers() const { return consumers == 2 ? 40 : 32; }
  IMMABENCH_CONSTEXPR int consumer_registers() const { return consumers == 2 ? 232 : 160; }

  // Why this tile cannot be built, or null.
  constexpr const char* invalid_reason() const {
    if (block_k != kWgmmaRowBytes && block_k != 64) return "block_k must be 64 or 128: one swizzled line";
    if (consumers < 1 || consumers > 3) return "1 to 3 consumer warpgroups";
    if (block_rows() % (kWgmmaM * consumers)) return "each consumer takes a multiple of 64 rows (of columns when swapped)";
    if (block_rows() > 256 || block_columns() > 256) return "a box has at most 256 rows";
    if (block_columns() % 8 || (block_columns() > 24 && block_columns() % 16)) return "N of wgmma is 8, 24 or a multiple of 16";
    if (!gathers() && block_columns() % 64) return "block_n must be a multiple of 64: whole boxes of 16-bit outputs";
    if (accumulators() > (consumers == 3 ? 96 : 128)) return "too many accumulators for the registers of a thread";
    if (reallocates() && !can_exchange(threads(), producer_registers(), consumer_registers()))
      return "warpgroups take more registers than the block begins with";
    if (split_k > 1 && cluster_m * cluster_n > 1) return "a cluster shares operands or splits K, not both";
    if (cluster() > 8) return "a portable cluster has at most 8 blocks";
    if (block_rows() % (8 * cluster_columns()) || block_columns() % (8 * cluster_rows()))
      return "each block of a cluster fetches a multiple of 8 rows of what they share";
    if (stages < 2 || stages > 12) return "2 to 12 stages";
    if (shared_bytes() > 227 * 1024) return "a block has at most 227 KB of shared memory";
    return nullptr;
  }
};

// A tile as a type; see MmaConfig.
template <int kBlockM, int kBlockN, int kBlockK, int kConsumers, int kClusterM, int kClusterN, int kSplitK, int kStages,
          bool kSwapped>
struct WgmmaConfig {
  static constexpr WgmmaTile tile{kBlockM, kBlockN, kBlockK, kConsumers, kClusterM, kClusterN, kSplitK, kStages, kSwapped};
  static_assert(tile.invalid_reason() == nullptr);
};

// One line a configuration. Small M first: swapped, K split so that every multiprocessor has weights to stream.
constexpr WgmmaTile kWgmmaTiles[] = {
    {.block_m = 8, .block_n = 128, .consumers = 2, .split_k = 4, .stages = 10, .swapped = true},
    {.block_m = 16, .block_n = 128, .consumers = 2, .stages = 10, .swapped = true},
    {.block_m = 16, .block_n = 128, .consumers = 2, .split_k = 4, .stages = 10, .swapped = true},
    {.block_m = 32, .block_n = 128, .consumers = 2, .split_k = 4, .stages = 10, .swapped = true},
    {.block_m = 64, .block_n = 128, .consumers = 2, .stages = 8, .swapped = true},
    {.block_m = 64, .block_n = 128, .consumers = 2, .split_k = 4, .stages = 8, .swapped = true},
    {.block_m = 64, .block_n = 128, .consumers = 1, .stages = 8},
    {.block_m = 128, .block_n = 128, .consumers = 2, .stages = 6},
    {.block_m = 128, .block_n = 128, .consumers = 2, .split_k = 2, .stages = 6},
    {.block_m = 128, .block_n = 128, .consumers = 2, .cluster_m = 2, .stages = 6},
    {.block_m = 128, .block_n = 192, .consumers = 2, .stages = 4},
    {.block_m = 128, .block_n = 256, .consumers = 2, .stages = 4},
    {.block_m = 128, .block_n = 256, .consumers = 2, .cluster_m = 2, .stages = 4},
    {.block_m = 256, .block_n = 128, .consumers = 2, .cluster_n = 2, .stages = 4},
    {.block_m = 192, .block_n = 192, .consumers = 3, .stages = 3},
    {.block_m = 192, .block_n = 192, .consumers = 3, .split_k = 2, .stages = 3},
};
constexpr int kWgmmaTileCount = sizeof(kWgmmaTiles) / sizeof(kWgmmaTiles[0]);

// Of convolutions. A network's first layers have many pixels, 64 channels and 64 filters, its last ones few pixels and a long
// K.
constexpr WgmmaTile kWgmmaConvTiles[] = {
    {.block_m = 128, .block_n = 64, .block_k = 64, .consumers = 2, .stages = 12},
    {.block_m = 256, .block_n = 64, .block_k = 64, .consumers = 2, .stages = 9},
    {.block_m = 128, .block_n = 128, .block_k = 64, .consumers = 2, .stages = 12},
    {.block_m = 64, .block_n = 64, .consumers = 1, .stages = 10},
    {.block_m = 64, .block_n = 64, .consumers = 1, .split_k = 8, .stages = 6},
    {.block_m = 128, .block_n = 64, .consumers = 2, .stages = 8},
    {.block_m = 128, .block_n = 128, .consumers = 2, .stages = 6},
    {.block_m = 128, .block_n = 128, .consumers = 2, .split_k = 4, .stages = 6},
    {.block_m = 128, .block_n = 128, .consumers = 2, .cluster_m = 2, .stages = 6},
    {.block_m = 128, .block_n = 256, .consumers = 2, .stages = 4},
};
constexpr int kWgmmaConvTileCount = sizeof(kWgmmaConvTiles) / sizeof(kWgmmaConvTiles[0]);

template <const auto& kTiles, int kIndex>
using WgmmaConfigOf = WgmmaConfig<kTiles[kIndex].block_m, kTiles[kIndex].block_n, kTiles[kIndex].block_k,
                                  kTiles[kIndex].consumers, kTiles[kIndex].cluster_m, kTiles[kIndex].cluster_n,
                                  kTiles[kIndex].split_k, kTiles[kIndex].stages, kTiles[kIndex].swapped>;
template <int kIndex>
using WgmmaConfigAt = WgmmaConfigOf<kWgmmaTiles, kIndex>;
template <int kIndex>
using WgmmaConvConfigAt = WgmmaConfigOf<kWgmmaConvTiles, kIndex>;

}  // namespace immabench
