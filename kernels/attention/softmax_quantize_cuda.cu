// The softmax of attention, compiled for GPUs.
#include <attention/softmax_quantize.cuh>
#include <companion_instances.hpp>
#include <quantize/run_cuda.cuh>

namespace immabench {
namespace {

template <class Config>
int launch(const SoftmaxQuantizeArguments& arguments, std::uint64_t stream) {
  return run_cuda(plan<Config>(arguments), stream);
}

}  // namespace

template <>
LaunchCompanion<SoftmaxQuantizeArguments> cuda_companion(int config) {
  return at_row_config(config, [&]<class Config>() { return &launch<Config>; });
}

}  // namespace immabench
