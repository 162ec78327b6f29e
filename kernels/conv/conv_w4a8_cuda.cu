// The convolutions with 4-bit weights by mma.sync, compiled for the GPU.
#include <gemm/mma_launch_cuda.cuh>
#include <parts/w4a8_operands.cuh>

namespace immabench {

template <>
void fill_mma_cuda<ConvW4A8Tiles<false>, IMMABENCH_SHARD>(LaunchGemm (&table)[kTileCount<ConvW4A8TileList>]) {
  fill_launches<W4A8Operands<simt::S4, simt::i32, ImagePatches>, ConvW4A8Tiles<false>>(table);
}

template <>
void fill_mma_cuda<ConvW4A8Tiles<true>, IMMABENCH_SHARD>(LaunchGemm (&table)[kTileCount<ConvW4A8TileList>]) {
  fill_launches<W4A8Operands<simt::U4, simt::i32, ImagePatches>, ConvW4A8Tiles<true>>(table);
}

}  // namespace immabench
