// The launch of a wgmma kernel on a GPU: its blocks in clusters, with all the shared memory they ask for.
#pragma once
#include <cuda_runtime_api.h>

#include <gemm/gemm_instances.hpp>

namespace immabench::inline SIMT_TARGET {

template <class Tile, class Parameters>
cudaError_t launch_clusters(void (*kernel)(Parameters), const Tile& tile, unsigned blocks, const Parameters& parameters,
                            std::uint64_t stream) {
  const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, tile.shared_bytes());
  if (status != cudaSuccess) return status;
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = unsigned(tile.cluster());
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = unsigned(tile.threads());
  config.dynamicSmemBytes = std::size_t(tile.shared_bytes());
  config.stream = reinterpret_cast<cudaStream_t>(stream);
  config.attrs = &cluster;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, parameters);
}

}  // namespace immabench::inline SIMT_TARGET
