// The kernels that quantize rows by their own ranges, compiled for GPUs.
#include <quantize/quantize_dynamic.cuh>
#include <companion_instances.hpp>
#include <quantize/run_cuda.cuh>

namespace immabench {
namespace {

template <class Config>
int launch(const QuantizeDynamicArguments& arguments, std::uint64_t stream) {
  return run_cuda(plan<Config>(arguments), stream);
}

}  // namespace

template <>
LaunchCompanion<QuantizeDynamicArguments> cuda_companion(int config) {
  return at_row_config(config, [&]<class Config>() { return &launch<Config>; });
}

}  // namespace immabench
