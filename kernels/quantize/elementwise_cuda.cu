// The kernels that quantize element by element, compiled for GPUs.
#include <quantize/dequantize.cuh>
#include <quantize/pack_s4.cuh>
#include <quantize/quantize.cuh>
#include <companion_instances.hpp>
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
LaunchCompanion<Arguments> cuda_companion(int) {
  return &launch<Arguments>;
}

template LaunchCompanion<QuantizeArguments> cuda_companion(int);
template LaunchCompanion<DequantizeArguments> cuda_companion(int);
template LaunchCompanion<RequantizeArguments> cuda_companion(int);
template LaunchCompanion<PackS4Arguments> cuda_companion(int);
template LaunchCompanion<UnpackS4Arguments> cuda_companion(int);
template LaunchCompanion<ReorderWeightsArguments> cuda_companion(int);

}  // namespace immabench
