// Probes of single primitives as the rest of the library sees them: words in, words out, on either target.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace simt::host {
class GlobalMemory;
struct Options;
struct Report;
}  // namespace simt::host

namespace immabench {

constexpr int kProbeThreads = 64;
constexpr int kProbeWords = 16;
constexpr int kProbeCount = 48;

// Addresses of int32[kProbeWords][kProbeThreads]: word w of thread t is element [w][t].
struct ProbeArguments {
  std::uint64_t in = 0, out = 0;
};

using EmulateProbe = simt::host::Report (*)(const ProbeArguments&, simt::host::GlobalMemory&, const simt::host::Options&);
using LaunchProbe = int (*)(const ProbeArguments&, std::uint64_t stream);  // returns a cudaError_t

struct Probe {
  std::string_view name;
  EmulateProbe emulate;
  LaunchProbe launch;  // null in a build without CUDA
};

// Every probe, in the order of the table.
std::span<const Probe> probes();

// Filled by probe_emulated.cpp and probe_cuda.cu.
void fill_emulated_probes(Probe (&table)[kProbeCount]);
void fill_cuda_probes(Probe (&table)[kProbeCount]);

}  // namespace immabench
