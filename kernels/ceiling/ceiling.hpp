// What the hardware can do at best, as the rest of the library sees it: rates of instructions and of memories, on both targets.
// Nothing here takes a time; whoever launches does. Addresses and integers only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace simt::host {
class GlobalMemory;
struct Options;
struct Report;
}  // namespace simt::host

namespace immabench {

// ---- matrix instructions of a GPU: one block an SM issues them from registers (or shared memory) and does nothing else
constexpr int kRateThreads = 256;  // a block: 8 warps, or two warpgroups
constexpr int kRateWords = 48;     // words of operands a thread brings; wgmma needs 48 KiB a block, mma.sync a third

struct RateArguments {
  std::uint64_t operands = 0;  // int32[kRateWords][kRateThreads], the same for every block; random bits of the operand type
  std::uint64_t out = 0;       // int32[blocks][kRateThreads]: each thread's accumulators, folded by xor
  std::uint64_t clocks = 0;    // int64[blocks][2]: clocks and nanoseconds around the loop, -1 where it was not compiled
  int iterations = 0;
};

struct MmaRate {
  std::string_view name;          // the PTX instruction, shortened: "mma.m16n8k32.s8"
  std::string_view capability;    // its row in the table of `immabench caps`
  std::string_view operand_type;  // "s8", "s4", "b1", "f16", "bf16", "tf32", "e4m3"
  std::string_view accumulator;   // "s32", "f32", "f16"
  int operations;                 // of one instruction: 2 M N K
  int instructions;               // of a block in one iteration
  // Launches `blocks` blocks, no two on one SM; returns a cudaError_t.
  int (*launch)(const RateArguments&, int blocks, std::uint64_t stream);
};

// Every instruction this build has a kernel for; empty in a build without CUDA.
std::span<const MmaRate> mma_rates();

// ---- memory of a GPU, in tiles that a block takes at once
constexpr int kTileThreads = 256;
constexpr int kTileVectors = 4;                               // 16-byte accesses a thread has in flight
constexpr int kTileBytes = kTileThreads * kTileVectors * 16;  // of a buffer; buffers are whole tiles

struct BandwidthArguments {
  std::uint64_t source = 0;
  std::uint64_t target =
      0;  // copy: as large as the source. Read: int32[blocks][kTileThreads][4], the xor of what a thread read
  int tiles = 0;
  int repeats = 1;
};
enum class Traffic { kRead, kCopy };

int launch_bandwidth(Traffic traffic, const BandwidthArguments& arguments, int blocks, std::uint64_t stream);
simt::host::Report emulate_bandwidth(Traffic traffic, const BandwidthArguments& arguments, int blocks,
                                     simt::host::GlobalMemory& memory, const simt::host::Options& options);

// ---- vector and matrix instructions of this CPU
// A thread runs kChains independent chains c[j] += x[0] op y; c[j] += x[1] op y. All operands are `vector_bytes` long.
struct CpuRate {
  std::string_view name;          // "vpdpbusd zmm"; of a step in several instructions all of them
  std::string_view feature;       // the name of its CPUID flag in Linux: "avx512_vnni"
  std::string_view operand_type;  // "f32", "s8" (u8 by s8 where the instruction wants that), "bf16"
  std::string_view accumulator;
  int operations;  // of one step
  int vector_bytes, chains;
  bool (*present)();  // by CPUID, and whether the system saves the registers
  // operands: x[0], x[1], y, c[chains]; out: c[chains]. Carries out 2 * chains * iterations steps.
  void (*run)(const std::byte* operands, std::byte* out, std::int64_t iterations);
};

// Every instruction this build has code for, present or not; empty where the compiler is not for x86-64.
std::span<const CpuRate> cpu_rates();

// Runs `rate` on so many threads at once, each bound to a core of its own as far as there are any.
void run_cpu_rate(const CpuRate& rate, int threads, const std::byte* operands, std::byte* out, std::int64_t iterations);

// A chain of `additions` (a multiple of 16) that each wait for the last, one clock apiece: start + additions * step.
std::uint64_t add_chain(std::uint64_t start, std::uint64_t step, std::int64_t additions);

// Reads `words` 64-bit words `repeats` times on so many threads; returns the xor of all it read.
std::uint64_t read_cpu_memory(const std::uint64_t* source, std::int64_t words, int repeats, int threads);

}  // namespace immabench
