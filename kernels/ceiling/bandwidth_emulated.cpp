// Reading and copying on the emulated machine: that every byte is touched, once a repeat, in whole sectors.
#include <ceiling/bandwidth.cuh>
#include <simt/host/launch.hpp>

namespace immabench {

simt::host::Report emulate_bandwidth(Traffic traffic, const BandwidthArguments& arguments, int blocks,
                                     simt::host::GlobalMemory& memory, const simt::host::Options& options) {
  const BandwidthParameters parameters = make_parameters(arguments);
  const simt::host::LaunchShape shape{{static_cast<std::uint32_t>(blocks)}, kTileThreads, 0};
  return simt::host::launch(shape, memory, options, [&] {
    if (traffic == Traffic::kRead)
      read_kernel(parameters);
    else
      copy_kernel(parameters);
  });
}

}  // namespace immabench
