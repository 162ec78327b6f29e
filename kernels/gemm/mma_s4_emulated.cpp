// The 4-bit GEMM by mma.sync, compiled for the emulated machine.
#include <gemm/mma_launch_emulated.hpp>
#include <parts/row_major_operands.cuh>

namespace immabench {

template <>
void fill_mma_emulated<S4Tiles, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<S4Tiles>]) {
  fill_launches<RowMajorOperands<simt::S4>, S4Tiles>(table);
}

}  // namespace immabench
