// The kernels that quantize element by element, compiled for GPUs.
#include <quantize/dequantize.cuh>
#include <quantize/pack_s4.cuh>
#include <quantize/quantize.cuh>
#include <quantize/quantizer_instances.hpp>
#include <quantize/requantize.cuh>
#include <quantize/run_cuda.cuh>

namespace immabench {
namespace {

template <class Arguments>
int launch(const Arguments& arguments, std::uint64_t stream) {
  return run_cuda(plan(arguments), stream);
}

}  // namespace

template <>
LaunchQuantizer<QuantizeArguments> cuda_quantizer(int) {
  return &launch<QuantizeArguments>;
}
template <>
LaunchQuantizer<DequantizeArguments> cuda_quantizer(int) {
  return &launch<DequantizeArguments>;
}
template <>
LaunchQuantizer<RequantizeArguments> cuda_quantizer(int) {
  return &launch<RequantizeArguments>;
}
template <>
LaunchQuantizer<PackS4Arguments> cuda_quantizer(int) {
  return &launch<PackS4Arguments>;
}
template <>
LaunchQuantizer<UnpackS4Arguments> cuda_quantizer(int) {
  return &launch<UnpackS4Arguments>;
}

}  // namespace immabench
