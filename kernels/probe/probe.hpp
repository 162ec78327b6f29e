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

constexpr int kProbeWords = 16;
constexpr int kProbeThreads = 64;  // of probes that do not state another number
constexpr int kProbeCount = 116;

// How a probe is launched: one cluster of blocks.
struct ProbeShape {
  int threads = kProbeThreads;  // of a block
  int cluster = 1;              // blocks
  int shared_bytes = 2048;
  bool sm90a = false;  // made of instructions that sm_90a alone has
};

// Threads of all blocks.
constexpr int lanes_of(const ProbeShape& shape) { return shape.threads * shape.cluster; }

// Addresses of int32[kProbeWords][lanes_of(shape)]: word w of thread t is element [w][t]. Some probes write a part of `out`
// alone.
struct ProbeArguments {
  std::uint64_t in = 0, out = 0;
};

using EmulateProbe = simt::host::Report (*)(const ProbeArguments&, simt::host::GlobalMemory&, const simt::host::Options&);
using LaunchProbe = int (*)(const ProbeArguments&, std::uint64_t stream);  // returns a cudaError_t

struct Probe {
  std::string_view name;
  ProbeShape shape;
  EmulateProbe emulate;
  LaunchProbe launch;  // null in a build without CUDA
};

// Every probe, in the order of the table.
std::span<const Probe> probes();

// Filled by probe_emulated.cpp and probe_cuda.cu.
void fill_emulated_probes(Probe (&table)[kProbeCount]);
void fill_cuda_probes(Probe (&table)[kProbeCount]);

}  // namespace immabench
