// The INT8 convolution by mma.sync, compiled for the emulated machine.
#include <gemm/mma_launch_emulated.hpp>
#include <parts/row_major_operands.cuh>

namespace immabench {

template <>
void fill_mma_emulated<ConvS8Tiles, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<ConvS8Tiles>]) {
  fill_launches<RowMajorOperands<simt::S8, ImagePatches>, ConvS8Tiles>(table);
}

}  // namespace immabench
