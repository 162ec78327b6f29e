// LayerNorm and quantization, compiled for the emulated machine.
#include <quantize/layernorm_quantize.cuh>
#include <companion_instances.hpp>
#include <quantize/run_emulated.hpp>

namespace immabench {
namespace {

template <class Config>
simt::host::Report emulate(const LayerNormQuantizeArguments& arguments, simt::host::GlobalMemory& memory,
                           const simt::host::Options& options) {
  return run_emulated(plan<Config>(arguments), memory, options);
}

}  // namespace

template <>
EmulateCompanion<LayerNormQuantizeArguments> emulated_companion(int config) {
  return at_row_config(config, [&]<class Config>() { return &emulate<Config>; });
}

}  // namespace immabench
