// The kernels that pool images, compiled for GPUs.
#include <companion_instances.hpp>
#include <pooling/avg_pool2d.cuh>
#include <quantize/run_cuda.cuh>

namespace immabench {
namespace {

int launch_max(const MaxPoolArguments& arguments, std::uint64_t stream) { return run_cuda(plan(arguments), stream); }
template <AvgPoolKernel kKernel>
int launch_avg(const AvgPoolArguments& arguments, std::uint64_t stream) {
  return run_cuda(plan<kKernel>(arguments), stream);
}

}  // namespace

template <>
LaunchCompanion<MaxPoolArguments> cuda_companion(int) {
  return &launch_max;
}
template <>
LaunchCompanion<AvgPoolArguments> cuda_companion(int config) {
  return AvgPoolKernel(config) == AvgPoolKernel::kThread ? &launch_avg<AvgPoolKernel::kThread>
                                                         : &launch_avg<AvgPoolKernel::kBlock>;
}

}  // namespace immabench
