// CUTLASS' INT8 convolution, compiled for the GPU.
#include <gemm/gemm_instances.hpp>

#include "cutlass_instances.hpp"
#include "cutlass_kernel.cuh"

namespace immabench {

template <>
void fill_cutlass<CutlassConvS8Tiles>(LaunchGemm (&table)[kTileCount<CutlassConvS8Tiles>]) {
  for_each_index<0, 1, kTileCount<CutlassConvS8Tiles>>(
      [&]<int kIndex>() { table[kIndex] = &launch_cutlass<FpropInstance<MmaConfigAt<CutlassConvS8Tiles, kIndex>>>; });
}

}  // namespace immabench
