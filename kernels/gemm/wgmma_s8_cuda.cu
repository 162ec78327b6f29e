// The wgmma kernels, compiled for the GPU, and their launch. Their code is for sm_90a alone: elsewhere they are empty, and the
// table of kernels says where they run.
#include <cuda_runtime_api.h>

#include <gemm/gemm_instances.hpp>
#include <gemm/wgmma_s8.cuh>

namespace immabench {
namespace {

template <class Config, bool kAligned>
cudaError_t launch_variant(const GemmArguments& arguments, cudaStream_t stream) {
  constexpr WgmmaTile kTile = Config::tile;
  const auto kernel = wgmma_s8_kernel<Config, kAligned>;
  const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kTile.shared_bytes());
  if (status != cudaSuccess) return status;
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = kTile.cluster();
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = block_count(kTile, arguments);
  config.blockDim = kTile.threads();
  config.dynamicSmemBytes = kTile.shared_bytes();
  config.stream = stream;
  config.attrs = &cluster;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, make_parameters(kTile, arguments));
}

template <class Config>
int launch(const GemmArguments& arguments, std::uint64_t stream_address) {
  const auto stream = reinterpret_cast<cudaStream_t>(stream_address);
  return is_aligned(arguments) ? launch_variant<Config, true>(arguments, stream)
                               : launch_variant<Config, false>(arguments, stream);
}

}  // namespace

template <>
void fill_wgmma_cuda<IMMABENCH_SHARD>(LaunchGemm (&table)[kWgmmaTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaTileCount>(
      [&]<int kIndex>() { table[kIndex] = &launch<WgmmaConfigAt<kIndex>>; });
}

}  // namespace immabench
