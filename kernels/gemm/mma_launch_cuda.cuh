// Launches of the mma.sync kernel on a GPU, instance by instance.
#pragma once
#include <cuda_runtime_api.h>

#include <gemm/gemm_instances.hpp>
#include <gemm/mma_gemm.cuh>

namespace immabench::inline SIMT_TARGET {

template <class Operands, class Config, bool kAligned>
cudaError_t launch_mma_variant(const GemmArguments& arguments, cudaStream_t stream) {
  constexpr int kSharedBytesWithoutAsking = 48 * 1024, kShared = Config::tile.shared_bytes(Operands::widths);
  const auto kernel = mma_gemm_kernel<Operands, Config, kAligned>;
  if (kShared > kSharedBytesWithoutAsking) {
    const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared);
    if (status != cudaSuccess) return status;
  }
  kernel<<<unsigned(block_count(Config::tile, Operands::widths, arguments)), Config::tile.threads(), kShared, stream>>>(
      make_parameters<Operands, Config>(arguments));
  return cudaGetLastError();
}

template <class Operands, class Config>
int launch_mma(const GemmArguments& arguments, std::uint64_t stream_address) {
  const auto stream = reinterpret_cast<cudaStream_t>(stream_address);
  if constexpr (Operands::kRagged) {
    if (!Operands::is_aligned(arguments)) return launch_mma_variant<Operands, Config, false>(arguments, stream);
  }
  return launch_mma_variant<Operands, Config, true>(arguments, stream);
}

// The launches of this shard's tiles of a table.
template <class Operands, class Table>
void fill_launches(LaunchGemm (&table)[kTileCount<Table>]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kTileCount<Table>>(
      [&]<int kIndex>() { table[kIndex] = &launch_mma<Operands, MmaConfigAt<Table, kIndex>>; });
}

}  // namespace immabench::inline SIMT_TARGET
