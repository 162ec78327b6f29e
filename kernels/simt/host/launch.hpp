// Runs a grid of blocks on the cores of this machine.
#pragma once
#include <functional>

#include <simt/host/block.hpp>

namespace simt::host {

// Runs `kernel` once per thread of every block. Blocks are handed to OS threads in `options.order` and take turns at atomics
// (turns.hpp); neither results nor findings depend on how many OS threads there are, but for which of two racing accesses comes
// second and is reported. No block may wait for another of its launch, unless they are of one cluster. An exception that leaves
// `kernel` ends the launch and is thrown here.
Report launch(const LaunchShape& shape, GlobalMemory& memory, const Options& options, const std::function<void()>& kernel);

}  // namespace simt::host
