// Fused INT8 attention, compiled for the emulated machine.
#include <attention/attention_s8.cuh>
#include <companion_instances.hpp>
#include <quantize/run_emulated.hpp>

namespace immabench {
namespace {

template <class Config>
simt::host::Report emulate(const AttentionArguments& arguments, simt::host::GlobalMemory& memory,
                           const simt::host::Options& options) {
  return run_emulated(plan<Config>(arguments), memory, options);
}

}  // namespace

template <>
EmulateCompanion<AttentionArguments> emulated_companion(int config) {
  return at_attention_config(config, [&]<class Config>() { return &emulate<Config>; });
}

}  // namespace immabench
