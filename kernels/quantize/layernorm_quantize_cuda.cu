// LayerNorm and quantization, compiled for GPUs.
#include <quantize/layernorm_quantize.cuh>
#include <companion_instances.hpp>
#include <quantize/run_cuda.cuh>

namespace immabench {
namespace {

template <class Config>
int launch(const LayerNormQuantizeArguments& arguments, std::uint64_t stream) {
  return run_cuda(plan<Config>(arguments), stream);
}

}  // namespace

template <>
LaunchCompanion<LayerNormQuantizeArguments> cuda_companion(int config) {
  return at_row_config(config, [&]<class Config>() { return &launch<Config>; });
}

}  // namespace immabench
