// The GEMM of bits by mma.sync, compiled for the emulated machine.
#include <gemm/mma_launch_emulated.hpp>
#include <parts/row_major_operands.cuh>

namespace immabench {

template <>
void fill_mma_emulated<B1Tiles, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<B1Tiles>]) {
  fill_launches<RowMajorOperands<simt::B1>, B1Tiles>(table);
}

}  // namespace immabench
