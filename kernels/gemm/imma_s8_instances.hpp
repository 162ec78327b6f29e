// How the compiled instances of the IMMA kernel reach the table of kernels. They are compiled in IMMABENCH_SHARDS files, each
// taking every IMMABENCH_SHARDS-th tile, so that a build uses several cores.
#pragma once
#include <gemm/gemm_s8.hpp>

namespace immabench {

template <int kShard>
void fill_emulated(EmulateGemmS8 (&table)[kImmaTileCount]);
template <int kShard>
void fill_cuda(LaunchGemmS8 (&table)[kImmaTileCount]);

// Calls visit.operator()<index>() for every tile of shard kShard.
template <int kShard, int kShards, int kIndex = kShard, class Visit>
void for_each_tile(Visit&& visit) {
  if constexpr (kIndex < kImmaTileCount) {
    visit.template operator()<kIndex>();
    for_each_tile<kShard, kShards, kIndex + kShards>(visit);
  }
}

}  // namespace immabench
