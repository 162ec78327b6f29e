// CUTLASS' INT4 GEMM, compiled for the GPU.
#include <gemm/gemm_instances.hpp>

#include "cutlass_instances.hpp"
#include "cutlass_kernel.cuh"

namespace immabench {

template <>
void fill_cutlass<CutlassS4Tiles>(LaunchGemm (&table)[kTileCount<CutlassS4Tiles>]) {
  for_each_index<0, 1, kTileCount<CutlassS4Tiles>>(
      [&]<int kIndex>() { table[kIndex] = &launch_cutlass<GemmInstance<4, MmaConfigAt<CutlassS4Tiles, kIndex>>>; });
}

}  // namespace immabench
