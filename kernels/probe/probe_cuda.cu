// The probes on a GPU.
#include <cuda_runtime_api.h>

#include <probe/probes.cuh>

namespace immabench {
namespace {

template <class Which>
int launch(const ProbeArguments& arguments, std::uint64_t stream) {
  probe_kernel<Which>
      <<<1, kProbeThreads, kProbeSharedBytes, reinterpret_cast<cudaStream_t>(stream)>>>(make_parameters(arguments));
  return cudaGetLastError();
}

struct Fill {
  Probe* table;
  template <class Which>
  void operator()(int index) const {
    table[index].launch = &launch<Which>;
  }
};

}  // namespace

void fill_cuda_probes(Probe (&table)[kProbeCount]) { for_each_probe(Fill{table}, AllProbes{}); }

}  // namespace immabench
