// The tile configurations of CUTLASS' kernels by wgmma (CUTLASS 3.x), and the one rule that says which are valid.
#pragma once
#include <gemm/wgmma_tile.hpp>

namespace immabench {

// How warpgroups share the work, by CUTLASS' names. One producer asks for copies in each.
enum class Cutlass3Schedule : int {
  kWarpSpecialized,  // one consumer, a block a tile
  kPingpong,         // two consumers, a tile each: one multiplies while the other stores; blocks go from tile to tile
  kCooperative,      // two consumers that share a tile; blocks go from tile to tile
};

// Sizes in elements (of 8 bits). Blocks of a cluster are neighbours, `cluster_m` x `cluster_n`, and share operands.
struct Cutlass3Tile {
  int block_m, block_n, block_k;
  int cluster_m = 1, cluster_n = 1;
  int stages;
  Cutlass3Schedule schedule;

  constexpr bool persistent() const { return schedule != Cutlass3Schedule::kWarpSpecialized; }
  constexpr int consumers() const { return persistent() ? 2 : 1; }
  constexpr int consumers_a_tile() const { return schedule == Cutlass3Schedule::kCooperative ? 2 : 1; }
  constexpr int consumer_rows() const { return block_m / consumers_a_tile(); }
  constexpr int row_groups() const { return consumer_rows() / kWgmmaM; }
  constexpr int threads() const { return (consumers() + 1) * kWarpgroupThreads; }
  constexpr int cluster() const { return cluster_m * cluster_n; }

  constexpr int stage_bytes() const { return (block_m + block_n) * block_k; }
  constexpr int ring_bytes() const { return stages * stage_bytes(); }
  // A consumer's boxes on their way out (parts/tensor_epilogue.cuh), which blocks of one tile have in the stages' place.
  constexpr int staging_bytes() const { return consumers() * 2 * kWgmmaM * kWgmmaRowBytes; }
  // CUTLASS' storage: in persistent kernels barriers come first, and what follows them begins on 1024 bytes.
  constexpr int staging_offset() const { return persistent() ? 1024 : 0; }
  constexpr int shared_bytes() const { return 1024 + ring_bytes() + (persistent() ? staging_bytes() : 0); }

  // Why this tile cannot be built, or null.
  constexpr const char* invalid_reason() const {
    if (block_k % kWgmmaRowBytes) return "block_k must be a multiple of 128: whole swizzled lines";
    if (block_m % (kWgmmaM * consumers_a_tile())) return "each consumer takes a multiple of 64 rows";
    if (block_m > 256 || block_n > 256) return "a box has at most 256 rows";
    if (block_n % 64) return "block_n must be a multiple of 64: whole boxes of 16-bit outputs";
    if (row_groups() * block_n > 256) return "more than 128 accumulator registers a thread leave too few for the rest";
    if (cluster() > 8) return "a portable cluster has at most 8 blocks";
    if (block_m % (8 * cluster_n) || block_n % (8 * cluster_m))
      return "each block of a cluster fetches a multiple of 8 rows of what they share";
    if (stages < 2 || stages > 16) return "2 to 16 stages";
    if (ring_bytes() < staging_bytes()) return "the stages leave room for the epilogue";
    if (shared_bytes() > 227 * 1024) return "a block has at most 227 KB of shared memory";
    return nullptr;
  }
};

// One line a configuration: those that vLLM takes for int8 on an H100 (its table for sm90), few rows first, and two
// cooperative ones. As many stages as there is room for.
struct Cutlass3S8Tiles {
  using enum Cutlass3Schedule;
  static constexpr Cutlass3Tile tiles[] = {
      {.block_m = 64, .block_n = 64, .block_k = 256, .cluster_n = 8, .stages = 7, .schedule = kWarpSpecialized},
      {.block_m = 64, .block_n = 64, .block_k = 256, .stages = 7, .schedule = kWarpSpecialized},
      {.block_m = 64, .block_n = 128, .block_k = 256, .cluster_n = 4, .stages = 4, .schedule = kWarpSpecialized},
      {.block_m = 64, .block_n = 128, .block_k = 128, .cluster_m = 2, .stages = 8, .schedule = kPingpong},
      {.block_m = 128, .block_n = 128, .block_k = 128, .cluster_m = 2, .stages = 6, .schedule = kPingpong},
      {.block_m = 128, .block_n = 128, .block_k = 128, .cluster_m = 2, .stages = 6, .schedule = kCooperative},
      {.block_m = 128, .block_n = 256, .block_k = 128, .cluster_m = 2, .stages = 4, .schedule = kCooperative},
  };
};

// A tile as a type; see MmaConfig.
template <int kBlockM, int kBlockN, int kBlockK, int kClusterM, int kClusterN, int kStages, int kSchedule>
struct Cutlass3Config {
  static constexpr Cutlass3Tile tile{kBlockM, kBlockN, kBlockK, kClusterM, kClusterN, kStages, Cutlass3Schedule(kSchedule)};
  static_assert(tile.invalid_reason() == nullptr);
};

template <class Table, int kIndex>
using Cutlass3ConfigAt =
    Cutlass3Config<Table::tiles[kIndex].block_m, Table::tiles[kIndex].block_n, Table::tiles[kIndex].block_k,
                   Table::tiles[kIndex].cluster_m, Table::tiles[kIndex].cluster_n, Table::tiles[kIndex].stages,
                   int(Table::tiles[kIndex].schedule)>;

}  // namespace immabench
