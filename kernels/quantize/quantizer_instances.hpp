// How compiled kernels reach the tables of quantizers: `config` counts the launch configurations of a family, of which those
// that go element by element have one. Defined in *_emulated.cpp and *_cuda.cu, for every family of arguments.
#pragma once
#include <quantize/quantize.hpp>

namespace immabench {

template <class Arguments>
EmulateQuantizer<Arguments> emulated_quantizer(int config);
template <class Arguments>
LaunchQuantizer<Arguments> cuda_quantizer(int config);

}  // namespace immabench
