// The GEMM of int8 activations and 4-bit weights by mma.sync, compiled for the emulated machine: codes of each kind with sums
// of each kind.
#include <gemm/mma_launch_emulated.hpp>
#include <parts/w4a8_operands.cuh>

namespace immabench {

template <>
void fill_mma_emulated<W4A8Tiles<false, false>, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<W4A8Tiles<false, false>>]) {
  fill_launches<W4A8Operands<simt::S4, simt::i32>, W4A8Tiles<false, false>>(table);
}

template <>
void fill_mma_emulated<W4A8Tiles<true, false>, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<W4A8Tiles<true, false>>]) {
  fill_launches<W4A8Operands<simt::U4, simt::i32>, W4A8Tiles<true, false>>(table);
}

template <>
void fill_mma_emulated<W4A8Tiles<false, true>, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<W4A8Tiles<false, true>>]) {
  fill_launches<W4A8Operands<simt::S4, float>, W4A8Tiles<false, true>>(table);
}

template <>
void fill_mma_emulated<W4A8Tiles<true, true>, IMMABENCH_SHARD>(EmulateGemm (&table)[kTileCount<W4A8Tiles<true, true>>]) {
  fill_launches<W4A8Operands<simt::U4, float>, W4A8Tiles<true, true>>(table);
}

}  // namespace immabench
