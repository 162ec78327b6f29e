// The GEMM of bits by mma.sync, compiled for the GPU.
#include <gemm/mma_launch_cuda.cuh>
#include <parts/row_major_operands.cuh>

namespace immabench {

template <>
void fill_mma_cuda<B1Tiles, IMMABENCH_SHARD>(LaunchGemm (&table)[kTileCount<B1Tiles>]) {
  fill_launches<RowMajorOperands<simt::B1>, B1Tiles>(table);
}

}  // namespace immabench
