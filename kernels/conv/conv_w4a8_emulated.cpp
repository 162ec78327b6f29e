// The convolutions with 4-bit weights by mma.sync, compiled for the emulated machine.
#include <gemm/mma_launch_emulated.hpp>
#include <parts/w4a8_operands.cuh>

namespace immabench {

template <>
void fill_mma_emulated<ConvW4A8Tiles<false>, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<ConvW4A8TileList>]) {
  fill_launches<W4A8Operands<simt::S4, simt::i32, ImagePatches>, ConvW4A8Tiles<false>>(table);
}

template <>
void fill_mma_emulated<ConvW4A8Tiles<true>, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<ConvW4A8TileList>]) {
  fill_launches<W4A8Operands<simt::U4, simt::i32, ImagePatches>, ConvW4A8Tiles<true>>(table);
}

}  // namespace immabench
