// The GEMM of 16-bit activations and 4-bit weights by mma.sync, compiled for the GPU.
#include <gemm/mma_launch_cuda.cuh>
#include <parts/dequantized_operands.cuh>

namespace immabench {

template <>
void fill_mma_cuda<W4A16Tiles<false>, IMMABENCH_SHARD>(LaunchGemm (&table)[kTileCount<W4A16Tiles<false>>]) {
  fill_launches<DequantizedOperands<simt::F16, simt::U4>, W4A16Tiles<false>>(table);
}

template <>
void fill_mma_cuda<W4A16Tiles<true>, IMMABENCH_SHARD>(LaunchGemm (&table)[kTileCount<W4A16Tiles<true>>]) {
  fill_launches<DequantizedOperands<simt::BF16, simt::U4>, W4A16Tiles<true>>(table);
}

}  // namespace immabench
