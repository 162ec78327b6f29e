// How compiled kernels reach the tables of companions: `config` counts the launch configurations of a family, of which those
// that go element by element have one. Defined in *_emulated.cpp and *_cuda.cu, for every family of arguments.
#pragma once
#include <companions.hpp>

namespace immabench {

template <class Arguments>
EmulateCompanion<Arguments> emulated_companion(int config);
template <class Arguments>
LaunchCompanion<Arguments> cuda_companion(int config);

}  // namespace immabench
