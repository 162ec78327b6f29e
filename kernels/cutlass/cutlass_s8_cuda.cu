// CUTLASS' INT8 GEMM, compiled for the GPU.
#include <gemm/gemm_instances.hpp>

#include "cutlass_instances.hpp"
#include "cutlass_kernel.cuh"

namespace immabench {

template <>
void fill_cutlass<CutlassS8Tiles>(LaunchGemm (&table)[kTileCount<CutlassS8Tiles>]) {
  for_each_index<0, 1, kTileCount<CutlassS8Tiles>>(
      [&]<int kIndex>() { table[kIndex] = &launch_cutlass<GemmInstance<8, MmaConfigAt<CutlassS8Tiles, kIndex>>>; });
}

}  // namespace immabench
