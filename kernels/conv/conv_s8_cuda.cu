// The INT8 convolution by mma.sync, compiled for the GPU.
#include <gemm/mma_launch_cuda.cuh>
#include <parts/row_major_operands.cuh>

namespace immabench {

template <>
void fill_mma_cuda<ConvS8Tiles, IMMABENCH_SHARD>(LaunchGemm (&table)[kTileCount<ConvS8Tiles>]) {
  fill_launches<RowMajorOperands<simt::S8, ImagePatches>, ConvS8Tiles>(table);
}

}  // namespace immabench
