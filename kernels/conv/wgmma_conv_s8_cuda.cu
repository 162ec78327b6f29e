// The INT8 convolution by wgmma, compiled for the GPU.
#include <gemm/wgmma_s8_launch_cuda.cuh>

namespace immabench {

template <>
void fill_wgmma_conv_cuda<IMMABENCH_SHARD>(LaunchGemm (&table)[kWgmmaConvTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaConvTileCount>([&]<int kIndex>() {
    table[kIndex] = &launch_wgmma<ImageBoxes<WgmmaConvConfigAt<kIndex>::tile.block_k>, WgmmaConvConfigAt<kIndex>>;
  });
}

}  // namespace immabench
