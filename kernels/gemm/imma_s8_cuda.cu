// The IMMA kernels, compiled for the GPU, and their launch.
#include <cuda_runtime_api.h>

#include <gemm/gemm_instances.hpp>
#include <gemm/imma_s8.cuh>

namespace immabench {
namespace {

constexpr int kSharedBytesWithoutAsking = 48 * 1024;

template <class Config, bool kAligned>
cudaError_t launch_variant(const GemmArguments& arguments, cudaStream_t stream) {
  constexpr int kShared = Config::tile.shared_bytes();
  const auto kernel = imma_s8_kernel<Config, kAligned>;
  if (kShared > kSharedBytesWithoutAsking) {
    const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared);
    if (status != cudaSuccess) return status;
  }
  kernel<<<block_count(Config::tile, arguments), Config::tile.threads(), kShared, stream>>>(make_parameters(arguments));
  return cudaGetLastError();
}

template <class Config>
int launch(const GemmArguments& arguments, std::uint64_t stream_address) {
  const auto stream = reinterpret_cast<cudaStream_t>(stream_address);
  return is_aligned(arguments) ? launch_variant<Config, true>(arguments, stream)
                               : launch_variant<Config, false>(arguments, stream);
}

}  // namespace

template <>
void fill_imma_cuda<IMMABENCH_SHARD>(LaunchGemm (&table)[kImmaTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kImmaTileCount>(
      [&]<int kIndex>() { table[kIndex] = &launch<ImmaConfigAt<kIndex>>; });
}

}  // namespace immabench
