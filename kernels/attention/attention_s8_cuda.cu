// Fused INT8 attention, compiled for GPUs.
#include <attention/attention_s8.cuh>
#include <companion_instances.hpp>
#include <quantize/run_cuda.cuh>

namespace immabench {
namespace {

template <class Config>
int launch(const AttentionArguments& arguments, std::uint64_t stream) {
  const auto chosen = plan<Config>(arguments);
  constexpr int kWithoutAsking = 48 * 1024, kShared = Config::tile.shared_bytes();
  if constexpr (kShared > kWithoutAsking) {
    const cudaError_t status = cudaFuncSetAttribute(chosen.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared);
    if (status != cudaSuccess) return status;
  }
  return run_cuda(chosen, stream);
}

}  // namespace

template <>
LaunchCompanion<AttentionArguments> cuda_companion(int config) {
  return at_attention_config(config, [&]<class Config>() { return &launch<Config>; });
}

}  // namespace immabench
