// The kernels that quantize element by element, compiled for the emulated machine.
#include <quantize/dequantize.cuh>
#include <quantize/pack_s4.cuh>
#include <quantize/quantize.cuh>
#include <quantize/quantizer_instances.hpp>
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
EmulateQuantizer<Arguments> emulated_quantizer(int) {
  return &emulate<Arguments>;
}

template EmulateQuantizer<QuantizeArguments> emulated_quantizer(int);
template EmulateQuantizer<DequantizeArguments> emulated_quantizer(int);
template EmulateQuantizer<RequantizeArguments> emulated_quantizer(int);
template EmulateQuantizer<PackS4Arguments> emulated_quantizer(int);
template EmulateQuantizer<UnpackS4Arguments> emulated_quantizer(int);
template EmulateQuantizer<ReorderWeightsArguments> emulated_quantizer(int);

}  // namespace immabench
