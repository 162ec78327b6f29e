// The INT8 GEMM by mma.sync, compiled for the GPU.
#include <gemm/mma_launch_cuda.cuh>
#include <parts/row_major_operands.cuh>

namespace immabench {

template <>
void fill_mma_cuda<S8Tiles, IMMABENCH_SHARD>(LaunchGemm (&table)[kTileCount<S8Tiles>]) {
  fill_launches<RowMajorOperands<simt::S8>, S8Tiles>(table);
}

}  // namespace immabench
