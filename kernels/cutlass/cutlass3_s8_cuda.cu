// CUTLASS' INT8 GEMM by wgmma, compiled for sm_90a alone.
#include "cutlass3_kernel.cuh"
#include "cutlass_instances.hpp"

namespace immabench {

template <>
void fill_cutlass3<Cutlass3S8Tiles, IMMABENCH_SHARD>(LaunchGemm (&table)[kTileCount<Cutlass3S8Tiles>]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kTileCount<Cutlass3S8Tiles>>(
      [&]<int kIndex>() { table[kIndex] = &launch_cutlass3<Cutlass3Instance<Cutlass3ConfigAt<Cutlass3S8Tiles, kIndex>>>; });
}

}  // namespace immabench
