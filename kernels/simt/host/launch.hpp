// Runs a grid of blocks on the cores of this machine.
#pragma once
#include <functional>

#include <simt/host/block.hpp>

namespace simt::host {

// Runs `kernel` once per thread of every block. Blocks are handed to OS threads in order; the findings do not depend on how
// many there are. An exception that leaves `kernel` ends the launch and is thrown here.
Report launch(const LaunchShape& shape, GlobalMemory& memory, const Options& options, const std::function<void()>& kernel);

}  // namespace simt::host
