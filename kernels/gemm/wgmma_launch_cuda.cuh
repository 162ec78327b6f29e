// The launch of a wgmma kernel on a GPU: its blocks in clusters, with all the shared memory they ask for.
#pragma once
#include <cuda_runtime_api.h>

#include <gemm/gemm_instances.hpp>

namespace immabench::inline SIMT_TARGET {

struct ClusterLaunch {
  dim3 grid, cluster;  // in blocks
  unsigned threads;    // a block
  int shared_bytes;    // a block, dynamic
};

template <class Parameters>
cudaError_t launch_clusters(void (*kernel)(Parameters), const ClusterLaunch& launch, const Parameters& parameters,
                            std::uint64_t stream) {
  const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, launch.shared_bytes);
  if (status != cudaSuccess) return status;
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = launch.cluster.x;
  cluster.val.clusterDim.y = launch.cluster.y;
  cluster.val.clusterDim.z = launch.cluster.z;
  cudaLaunchConfig_t config{};
  config.gridDim = launch.grid;
  config.blockDim = launch.threads;
  config.dynamicSmemBytes = std::size_t(launch.shared_bytes);
  config.stream = reinterpret_cast<cudaStream_t>(stream);
  config.attrs = &cluster;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, parameters);
}

template <class Tile, class Parameters>
cudaError_t launch_clusters(void (*kernel)(Parameters), const Tile& tile, unsigned blocks, const Parameters& parameters,
                            std::uint64_t stream) {
  return launch_clusters(kernel, {blocks, unsigned(tile.cluster()), unsigned(tile.threads()), tile.shared_bytes()}, parameters,
                         stream);
}

}  // namespace immabench::inline SIMT_TARGET
