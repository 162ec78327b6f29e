// The kernels that quantize element by element, compiled for GPUs.
#include <quantize/dequantize.cuh>
#include <quantize/pack_s4.cuh>
#include <quantize/quantize.cuh>
#include <quantize/quantizer_instances.hpp>
#include <quantize/reorder_weights.cuh>
#include <quantize/requantize.cuh>
#include <quantize/run_cuda.cuh>

namespace immabench {
namespace {

template <class Arguments>
int launch(const Arguments& arguments, std::uint64_t stream) {
  return run_cuda(plan(arguments), stream);
}

}  // namespace

template <class Arguments>
LaunchQuantizer<Arguments> cuda_quantizer(int) {
  return &launch<Arguments>;
}

template LaunchQuantizer<QuantizeArguments> cuda_quantizer(int);
template LaunchQuantizer<DequantizeArguments> cuda_quantizer(int);
template LaunchQuantizer<RequantizeArguments> cuda_quantizer(int);
template LaunchQuantizer<PackS4Arguments> cuda_quantizer(int);
template LaunchQuantizer<UnpackS4Arguments> cuda_quantizer(int);
template LaunchQuantizer<ReorderWeightsArguments> cuda_quantizer(int);

}  // namespace immabench
