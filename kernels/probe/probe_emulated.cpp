// The probes on the emulated machine.
#include <probe/probes.cuh>
#include <simt/host/launch.hpp>

namespace immabench {
namespace {

template <class Which>
simt::host::Report emulate(const ProbeArguments& arguments, simt::host::GlobalMemory& memory,
                           const simt::host::Options& options) {
  const ProbeParameters parameters = make_parameters(arguments);
  const simt::host::LaunchShape shape{{1}, kProbeThreads, kProbeSharedBytes};
  return simt::host::launch(shape, memory, options, [&] { probe_kernel<Which>(parameters); });
}

}  // namespace

void fill_emulated_probes(Probe (&table)[kProbeCount]) {
  for_each_probe(
      [&]<class Which>(int index) {
        table[index].name = Which::kName;
        table[index].emulate = &emulate<Which>;
      },
      AllProbes{});
}

}  // namespace immabench
