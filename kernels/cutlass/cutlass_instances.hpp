// How CUTLASS' instances reach its table of kernels.
#pragma once
#include <cutlass/cutlass3_tile.hpp>
#include <cutlass/cutlass_tile.hpp>
#include <gemm/gemm.hpp>

namespace immabench {

template <class Table>
void fill_cutlass(LaunchGemm (&table)[kTileCount<Table>]);

// By wgmma: in IMMABENCH_SHARDS files, which a build without sm_90a has not.
template <class Table, int kShard>
void fill_cutlass3(LaunchGemm (&table)[kTileCount<Table>]);

}  // namespace immabench
