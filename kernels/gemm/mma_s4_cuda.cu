// The 4-bit GEMM by mma.sync, compiled for the GPU. Its code is for sm_80 to sm_89: elsewhere it is empty.
#include <gemm/mma_launch_cuda.cuh>
#include <parts/row_major_operands.cuh>

namespace immabench {

template <>
void fill_mma_cuda<S4Tiles, IMMABENCH_SHARD>(LaunchGemm (&table)[kTileCount<S4Tiles>]) {
  fill_launches<RowMajorOperands<simt::S4>, S4Tiles>(table);
}

}  // namespace immabench
