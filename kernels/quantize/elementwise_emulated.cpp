// The kernels that quantize element by element, compiled for the emulated machine.
#include <quantize/dequantize.cuh>
#include <quantize/pack_s4.cuh>
#include <quantize/quantize.cuh>
#include <companion_instances.hpp>
#include <quantize/reorder_weights.cuh>
#include <quantize/requantize.cuh>
#include <quantize/run_emulated.hpp>

namespace immabench {
namespace {

template <class Arguments>
simt::host::Report emulate(const Arguments& arguments, simt::host::GlobalMemory& memory, const simt::host::Options& options) {
  return run_emulated(plan(arguments), memory, options);
}

}  // namespace

template <class Arguments>
EmulateCompanion<Arguments> emulated_companion(int) {
  return &emulate<Arguments>;
}

template EmulateCompanion<QuantizeArguments> emulated_companion(int);
template EmulateCompanion<DequantizeArguments> emulated_companion(int);
template EmulateCompanion<RequantizeArguments> emulated_companion(int);
template EmulateCompanion<PackS4Arguments> emulated_companion(int);
template EmulateCompanion<UnpackS4Arguments> emulated_companion(int);
template EmulateCompanion<ReorderWeightsArguments> emulated_companion(int);

}  // namespace immabench
