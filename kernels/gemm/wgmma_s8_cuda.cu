// The INT8 GEMM by wgmma, compiled for the GPU.
#include <gemm/wgmma_s8_launch_cuda.cuh>

namespace immabench {

template <>
void fill_wgmma_cuda<IMMABENCH_SHARD>(LaunchGemm (&table)[kWgmmaTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaTileCount>(
      [&]<int kIndex>() { table[kIndex] = &launch_wgmma<MatrixBoxes, WgmmaConfigAt<kIndex>>; });
}

}  // namespace immabench
