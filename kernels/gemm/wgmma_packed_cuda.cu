// The wgmma kernels with packed weights, compiled for the GPU, and their launch. Their code is for sm_90a alone: elsewhere they
// are empty, and the table of kernels says where they run.
#include <cuda_runtime_api.h>

#include <gemm/gemm_instances.hpp>
#include <gemm/wgmma_packed.cuh>

namespace immabench {
namespace {

template <class Config>
int launch(const GemmArguments& arguments, std::uint64_t stream_address) {
  constexpr WgmmaPackedTile kTile = Config::tile;
  const auto kernel = wgmma_packed_kernel<Config>;
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
  config.stream = reinterpret_cast<cudaStream_t>(stream_address);
  config.attrs = &cluster;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, make_packed_parameters<Config>(arguments));
}

}  // namespace

template <>
void fill_wgmma_packed_cuda<IMMABENCH_SHARD>(LaunchGemm (&table)[kWgmmaPackedTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaPackedTileCount>(
      [&]<int kIndex>() { table[kIndex] = &launch<WgmmaPackedConfigAt<kIndex>>; });
}

}  // namespace immabench
