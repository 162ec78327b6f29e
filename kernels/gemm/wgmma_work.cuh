// What one block of a wgmma kernel is to do: which tiles of the output, which part of K, in step with the blocks of its
// cluster.
#pragma once
#include <gemm/wgmma_tile.hpp>
#include <parts/gathered_epilogue.cuh>
#include <parts/tile_schedule.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// All blocks of a cluster go through the same tiles in step. `Config::tile` says how large they are and what a cluster is for:
// to share operands, or to split K.
template <class Config>
struct WgmmaWork {
  static constexpr auto kTile = Config::tile;
  static constexpr int kSharing = kTile.cluster_m * kTile.cluster_n;

  int rank = int(simt::block_index_x()) % kTile.cluster();
  int row_rank = rank % kTile.cluster_rows();  // which rows of the cluster's tiles, where it shares operands
  int column_rank = rank / kTile.cluster_rows() % kTile.cluster_columns();
  int part = kTile.split_k > 1 ? rank : 0;
  int clusters = int(simt::grid_size_x()) / kTile.cluster();
  int index = int(simt::block_index_x()) / kTile.cluster();  // of the cluster's tile
  TileSchedule schedule;
  int first_k, last_k;  // tiles along K

  SIMT_DEVICE WgmmaWork(int m, int n, int k_tiles)
      : schedule{ceil_divide(m, kTile.block_m * kTile.cluster_m), ceil_divide(n, kTile.block_n * kTile.cluster_n)} {
    const int each = ceil_divide(k_tiles, kTile.split_k);
    first_k = part * each < k_tiles ? part * each : k_tiles;
    last_k = first_k + each < k_tiles ? first_k + each : k_tiles;
  }

  SIMT_DEVICE bool is_left() const { return index < schedule.m_tiles * schedule.n_tiles; }
  SIMT_DEVICE void advance() { index += clusters; }
  // Where this block's tile begins in the output.
  SIMT_DEVICE int first_m() const {
    const int m_rank = kTile.swapped ? column_rank : row_rank;
    return (schedule.tile(index).m * kTile.cluster_m + m_rank) * kTile.block_m;
  }
  SIMT_DEVICE int first_n() const {
    const int n_rank = kTile.swapped ? row_rank : column_rank;
    return (schedule.tile(index).n * kTile.cluster_n + n_rank) * kTile.block_n;
  }
  SIMT_DEVICE int first_row() const { return kTile.swapped ? first_n() : first_m(); }
  SIMT_DEVICE int first_column() const { return kTile.swapped ? first_m() : first_n(); }

  SIMT_DEVICE static void synchronise_cluster() {
    if constexpr (kTile.cluster() > 1) {
      simt::cluster_arrive();
      simt::cluster_wait();
    } else {
      simt::syncthreads();
    }
  }
  // All parts of the tile are in shared memory.
  SIMT_DEVICE static void meet_parts() {
    if constexpr (kTile.split_k > 1) synchronise_cluster();
  }
  // No block may return while another sends to it, or reads from it.
  SIMT_DEVICE static void leave() {
    if constexpr (kTile.cluster() > 1) synchronise_cluster();
  }
};

// The epilogue of a consumer of a tile that gathers, in the place of the stages: `base` is their beginning. The warpgroups that
// produce come to WgmmaWork::meet_parts meanwhile.
template <class Config, class Sum, int kGroups, int kSums>
SIMT_DEVICE void gather(const EpilogueParameters& p, const WgmmaWork<Config>& work, simt::u32 base, int consumer,
                        const Sum (&sums)[kGroups][kSums]) {
  constexpr auto kTile = Config::tile;
  constexpr int kThreads = kTile.consumers * kWarpgroupThreads;
  const GatheredTile<kTile.block_m, kTile.block_n, kTile.swapped> tile{base};
  simt::barrier_sync(1, kThreads);  // every consumer is past its products: the stages are free
  SIMT_UNROLL
  for (int group = 0; group < kGroups; ++group) tile.write(sums[group], consumer * kTile.consumer_rows() + group * kWgmmaM);
  if constexpr (kTile.split_k > 1)
    WgmmaWork<Config>::meet_parts();
  else
    simt::barrier_sync(1, kThreads);
  tile.template finish<Sum, kTile.split_k>(p, work.first_m(), work.first_n(), work.part,
                                           consumer * kWarpgroupThreads + int(simt::thread_index()) % kWarpgroupThreads,
                                           kThreads);
}

}  // namespace immabench::inline SIMT_TARGET
