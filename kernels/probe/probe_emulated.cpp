// The probes on the emulated machine.
#include <probe/probes.cuh>
#include <simt/host/launch.hpp>

namespace immabench {
namespace {

template <class Which>
simt::host::Report emulate(const ProbeArguments& arguments, simt::host::GlobalMemory& memory,
                           const simt::host::Options& options) {
  constexpr ProbeShape kShape = Which::kShape;
  const ProbeParameters parameters = make_parameters<Which>(arguments);
  const simt::host::LaunchShape shape{{kShape.cluster}, kShape.threads, kShape.shared_bytes, kShape.cluster};
  return simt::host::launch(shape, memory, options, [&] { probe_kernel<Which>(parameters); });
}

}  // namespace

void fill_emulated_probes(Probe (&table)[kProbeCount]) {
  for_each_probe([&]<class Which>(int index) {
    table[index].name = Which::kName;
    table[index].shape = Which::kShape;
    table[index].emulate = &emulate<Which>;
  });
}

}  // namespace immabench
