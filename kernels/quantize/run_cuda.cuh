// Launches a plan on a GPU.
#pragma once
#include <cuda_runtime_api.h>

#include <quantize/vector_grid.cuh>

namespace immabench {

template <class Parameters>
int run_cuda(const Plan<Parameters>& plan, std::uint64_t stream) {
  plan.kernel<<<plan.blocks, unsigned(plan.threads), unsigned(plan.shared_bytes), reinterpret_cast<cudaStream_t>(stream)>>>(
      plan.parameters);
  return cudaGetLastError();
}

}  // namespace immabench
