// The probes on a GPU. Those of sm_90a are empty in the code for other architectures, and are not launched there.
#include <cuda_runtime_api.h>

#include <probe/probes.cuh>

namespace immabench {
namespace {

// Whether the code that this device would run holds what a probe of sm_90a is made of.
template <class Which>
cudaError_t find_code() {
  cudaFuncAttributes attributes{};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, probe_kernel<Which>);
  if (status != cudaSuccess) return status;
  return !Which::kShape.sm90a || attributes.binaryVersion == 90 ? cudaSuccess : cudaErrorNoKernelImageForDevice;
}

template <class Which>
int launch(const ProbeArguments& arguments, std::uint64_t stream) {
  constexpr ProbeShape kShape = Which::kShape;
  if (const cudaError_t status = find_code<Which>(); status != cudaSuccess) return status;
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = kShape.cluster;
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = kShape.cluster;
  config.blockDim = kShape.threads;
  config.dynamicSmemBytes = kShape.shared_bytes;
  config.stream = reinterpret_cast<cudaStream_t>(stream);
  config.attrs = &cluster;
  config.numAttrs = kShape.cluster > 1 ? 1 : 0;
  return cudaLaunchKernelEx(&config, probe_kernel<Which>, make_parameters<Which>(arguments));
}

struct Fill {
  Probe* table;
  template <class Which>
  void operator()(int index) const {
    table[index].launch = &launch<Which>;
  }
};

}  // namespace

void fill_cuda_probes(Probe (&table)[kProbeCount]) { for_each_probe(Fill{table}); }

}  // namespace immabench
