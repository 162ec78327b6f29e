// How the compiled instances of the INT8 kernels reach the table of kernels. They are compiled in IMMABENCH_SHARDS files a
// kernel and target, each taking every IMMABENCH_SHARDS-th tile, so that a build uses several cores.
#pragma once
#include <gemm/gemm.hpp>
#include <gemm/imma_tile.hpp>
#include <gemm/wgmma_packed_tile.hpp>
#include <gemm/wgmma_tile.hpp>

namespace immabench {

template <int kShard>
void fill_imma_emulated(EmulateGemm (&table)[kImmaTileCount]);
template <int kShard>
void fill_imma_cuda(LaunchGemm (&table)[kImmaTileCount]);
template <int kShard>
void fill_wgmma_emulated(EmulateGemm (&table)[kWgmmaTileCount]);
template <int kShard>
void fill_wgmma_cuda(LaunchGemm (&table)[kWgmmaTileCount]);

// The same code for signed codes, and for unsigned ones with zero points.
template <class Function>
struct PackedEntry {
  Function signed_codes, unsigned_codes;
};
template <int kShard>
void fill_wgmma_packed_emulated(PackedEntry<EmulateGemm> (&table)[kWgmmaPackedTileCount]);
template <int kShard>
void fill_wgmma_packed_cuda(PackedEntry<LaunchGemm> (&table)[kWgmmaPackedTileCount]);

// Calls visit.operator()<index>() for every index below kCount that shard kShard takes.
template <int kShard, int kShards, int kCount, int kIndex = kShard, class Visit>
void for_each_index(Visit&& visit) {
  if constexpr (kIndex < kCount) {
    visit.template operator()<kIndex>();
    for_each_index<kShard, kShards, kCount, kIndex + kShards>(visit);
  }
}

}  // namespace immabench
