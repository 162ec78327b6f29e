// The table of probes: one entry a primitive, for every target of this build.
#include <probe/probe.hpp>

namespace immabench {
namespace {

struct Table {
  Probe entries[kProbeCount] = {};
  Table() {
    fill_emulated_probes(entries);
#if defined(IMMABENCH_CUDA)
    fill_cuda_probes(entries);
#endif
  }
};

}  // namespace

std::span<const Probe> probes() {
  static const Table table;
  return table.entries;
}

}  // namespace immabench
