// The INT8 GEMM by wgmma, compiled for the emulated machine.
#include <gemm/wgmma_s8_launch_emulated.hpp>

namespace immabench {

template <>
void fill_wgmma_emulated<IMMABENCH_SHARD>(EmulateGemm (&table)[kWgmmaTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaTileCount>(
      [&]<int kIndex>() { table[kIndex] = &emulate_wgmma<MatrixBoxes, WgmmaConfigAt<kIndex>>; });
}

}  // namespace immabench
