// The answers of a build without CUDA.
#include <ceiling/ceiling.hpp>

namespace immabench {

std::span<const MmaRate> mma_rates() { return {}; }
int launch_bandwidth(Traffic, const BandwidthArguments&, int, std::uint64_t) { return -1; }

}  // namespace immabench
