// The kernels that pool images, compiled for the emulated machine.
#include <companion_instances.hpp>
#include <pooling/avg_pool2d.cuh>
#include <quantize/run_emulated.hpp>

namespace immabench {
namespace {

simt::host::Report emulate_max(const MaxPoolArguments& arguments, simt::host::GlobalMemory& memory,
                               const simt::host::Options& options) {
  return run_emulated(plan(arguments), memory, options);
}
template <AvgPoolKernel kKernel>
simt::host::Report emulate_avg(const AvgPoolArguments& arguments, simt::host::GlobalMemory& memory,
                               const simt::host::Options& options) {
  return run_emulated(plan<kKernel>(arguments), memory, options);
}

}  // namespace

template <>
EmulateCompanion<MaxPoolArguments> emulated_companion(int) {
  return &emulate_max;
}
template <>
EmulateCompanion<AvgPoolArguments> emulated_companion(int config) {
  return AvgPoolKernel(config) == AvgPoolKernel::kThread ? &emulate_avg<AvgPoolKernel::kThread>
                                                         : &emulate_avg<AvgPoolKernel::kBlock>;
}

}  // namespace immabench
