// How the compiled instances of the kernels reach the table of kernels. They are compiled in IMMABENCH_SHARDS files a
// kernel and target, each taking every IMMABENCH_SHARDS-th tile, so that a build uses several cores.
#pragma once
#include <gemm/gemm.hpp>
#include <gemm/mma_tile.hpp>
#include <gemm/wgmma_packed_tile.hpp>
#include <gemm/wgmma_tile.hpp>

namespace immabench {

// By mma.sync, for a table of mma_tile.hpp.
template <class Table, int kShard>
void fill_mma_emulated(EmulateGemm (&table)[kTileCount<Table>]);
template <class Table, int kShard>
void fill_mma_cuda(LaunchGemm (&table)[kTileCount<Table>]);

template <int kShard>
void fill_wgmma_emulated(EmulateGemm (&table)[kWgmmaTileCount]);
template <int kShard>
void fill_wgmma_cuda(LaunchGemm (&table)[kWgmmaTileCount]);
template <int kShard>
void fill_wgmma_conv_emulated(EmulateGemm (&table)[kWgmmaConvTileCount]);
template <int kShard>
void fill_wgmma_conv_cuda(LaunchGemm (&table)[kWgmmaConvTileCount]);
template <int kShard>
void fill_wgmma_packed_emulated(EmulateGemm (&table)[kWgmmaPackedTileCount]);
template <int kShard>
void fill_wgmma_packed_cuda(LaunchGemm (&table)[kWgmmaPackedTileCount]);

// Calls visit.operator()<index>() for every index below kCount that shard kShard takes.
template <int kShard, int kShards, int kCount, int kIndex = kShard, class Visit>
void for_each_index(Visit&& visit) {
  if constexpr (kIndex < kCount) {
    visit.template operator()<kIndex>();
    for_each_index<kShard, kShards, kCount, kIndex + kShards>(visit);
  }
}

}  // namespace immabench
