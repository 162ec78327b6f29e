// The kernels that quantize element by element, compiled for the emulated machine.
#include <quantize/dequantize.cuh>
#include <quantize/pack_s4.cuh>
#include <quantize/quantize.cuh>
#include <quantize/quantizer_instances.hpp>
#include <quantize/requantize.cuh>
#include <quantize/run_emulated.hpp>

namespace immabench {
namespace {

template <class Arguments>
simt::host::Report emulate(const Arguments& arguments, simt::host::GlobalMemory& memory, const simt::host::Options& options) {
  return run_emulated(plan(arguments), memory, options);
}

}  // namespace

template <>
EmulateQuantizer<QuantizeArguments> emulated_quantizer(int) {
  return &emulate<QuantizeArguments>;
}
template <>
EmulateQuantizer<DequantizeArguments> emulated_quantizer(int) {
  return &emulate<DequantizeArguments>;
}
template <>
EmulateQuantizer<RequantizeArguments> emulated_quantizer(int) {
  return &emulate<RequantizeArguments>;
}
template <>
EmulateQuantizer<PackS4Arguments> emulated_quantizer(int) {
  return &emulate<PackS4Arguments>;
}
template <>
EmulateQuantizer<UnpackS4Arguments> emulated_quantizer(int) {
  return &emulate<UnpackS4Arguments>;
}

}  // namespace immabench
