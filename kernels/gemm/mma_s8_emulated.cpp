// The INT8 GEMM by mma.sync, compiled for the emulated machine.
#include <gemm/mma_launch_emulated.hpp>
#include <parts/row_major_operands.cuh>

namespace immabench {

template <>
void fill_mma_emulated<S8Tiles, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<S8Tiles>]) {
  fill_launches<RowMajorOperands<simt::S8>, S8Tiles>(table);
}

}  // namespace immabench
