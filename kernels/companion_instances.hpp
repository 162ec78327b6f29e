// How compiled kernels reach the tables of companions: `config` counts the launch configurations of a family, of which those
// that go element by element have one. Defined in *_emulated.cpp and *_cuda.cu, for every family of arguments.
#pragma once
#include <companions.hpp>
#include <vector>

namespace immabench {

template <class Arguments>
EmulateCompanion<Arguments> emulated_companion(int config);
template <class Arguments>
LaunchCompanion<Arguments> cuda_companion(int config);

// Puts the next configuration of a family into its table.
template <class Arguments>
void append(std::vector<Companion<Arguments>>& table, const CompanionConfig& config) {
  const int index = static_cast<int>(table.size());
  LaunchCompanion<Arguments> launch = nullptr;
#if defined(IMMABENCH_CUDA)
  launch = cuda_companion<Arguments>(index);
#endif
  table.push_back({config, emulated_companion<Arguments>(index), launch});
}

}  // namespace immabench
