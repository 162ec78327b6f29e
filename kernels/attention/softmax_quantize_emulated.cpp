// The softmax of attention, compiled for the emulated machine.
#include <attention/softmax_quantize.cuh>
#include <companion_instances.hpp>
#include <quantize/run_emulated.hpp>

namespace immabench {
namespace {

template <class Config>
simt::host::Report emulate(const SoftmaxQuantizeArguments& arguments, simt::host::GlobalMemory& memory,
                           const simt::host::Options& options) {
  return run_emulated(plan<Config>(arguments), memory, options);
}

}  // namespace

template <>
EmulateCompanion<SoftmaxQuantizeArguments> emulated_companion(int config) {
  return at_row_config(config, [&]<class Config>() { return &emulate<Config>; });
}

}  // namespace immabench
