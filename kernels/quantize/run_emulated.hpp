// Runs a plan on the emulated machine.
#pragma once
#include <quantize/vector_grid.cuh>
#include <simt/host/launch.hpp>

namespace immabench {

template <class Parameters>
simt::host::Report run_emulated(const Plan<Parameters>& plan, simt::host::GlobalMemory& memory,
                                const simt::host::Options& options) {
  const simt::host::LaunchShape shape{{plan.blocks}, std::uint32_t(plan.threads), std::uint32_t(plan.shared_bytes)};
  return simt::host::launch(shape, memory, options, [&] { plan.kernel(plan.parameters); });
}

}  // namespace immabench
