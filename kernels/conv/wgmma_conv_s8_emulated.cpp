// The INT8 convolution by wgmma, compiled for the emulated machine.
#include <gemm/wgmma_s8_launch_emulated.hpp>

namespace immabench {

template <>
void fill_wgmma_conv_emulated<IMMABENCH_SHARD>(EmulateGemm (&table)[kWgmmaConvTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaConvTileCount>([&]<int kIndex>() {
    table[kIndex] = &emulate_wgmma<ImageBoxes<WgmmaConvConfigAt<kIndex>::tile.block_k>, WgmmaConvConfigAt<kIndex>>;
  });
}

}  // namespace immabench
