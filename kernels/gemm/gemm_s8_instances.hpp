// How the compiled instances of the INT8 kernels reach the table of kernels. They are compiled in IMMABENCH_SHARDS files a
// kernel and target, each taking every IMMABENCH_SHARDS-th tile, so that a build uses several cores.
#pragma once
#include <gemm/gemm_s8.hpp>
#include <gemm/imma_tile.hpp>
#include <gemm/wgmma_tile.hpp>

namespace immabench {

template <int kShard>
void fill_imma_emulated(EmulateGemmS8 (&table)[kImmaTileCount]);
template <int kShard>
void fill_imma_cuda(LaunchGemmS8 (&table)[kImmaTileCount]);
template <int kShard>
void fill_wgmma_emulated(EmulateGemmS8 (&table)[kWgmmaTileCount]);
template <int kShard>
void fill_wgmma_cuda(LaunchGemmS8 (&table)[kWgmmaTileCount]);

// Calls visit.operator()<index>() for every index below kCount that shard kShard takes.
template <int kShard, int kShards, int kCount, int kIndex = kShard, class Visit>
void for_each_index(Visit&& visit) {
  if constexpr (kIndex < kCount) {
    visit.template operator()<kIndex>();
    for_each_index<kShard, kShards, kCount, kIndex + kShards>(visit);
  }
}

}  // namespace immabench
