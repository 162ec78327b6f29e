// How compiled kernels reach the tables of companions: `config` counts the launch configurations of a family, of which those
// that go element by element have one. Defined in *_emulated.cpp and *_cuda.cu, for every family of arguments.
#pragma once
#include <companions.hpp>
#include <string>
#include <vector>

namespace immabench {

template <class Arguments>
EmulateCompanion<Arguments> emulated_companion(int config);
template <class Arguments>
LaunchCompanion<Arguments> cuda_companion(int config);

// Adds the next configuration of a family to its table.
template <class Arguments>
void append_companion(std::vector<Companion<Arguments>>& table, const CompanionConfig& config) {
  const int index = static_cast<int>(table.size());
  LaunchCompanion<Arguments> launch = nullptr;
#if defined(IMMABENCH_CUDA)
  launch = cuda_companion<Arguments>(index);
#endif
  table.push_back({config, emulated_companion<Arguments>(index), launch});
}

// `threads` are those that tell the configurations of a family apart.
inline std::string companion_id(const std::string& family, int threads) {
  return family + "_t" + std::to_string(threads) + "_sm80";
}

}  // namespace immabench
