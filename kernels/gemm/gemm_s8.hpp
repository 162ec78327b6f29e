// The INT8 GEMM family as the rest of the library sees it: what a call is given, which kernels there are, how to run them.
// Torch-free: addresses and integers in, a status or a report out.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include <gemm/output_type.hpp>

namespace simt::host {
class GlobalMemory;
struct Options;
struct Report;
}  // namespace simt::host

namespace immabench {

// out[m,n] = epilogue(A[m,k] . B[n,k]^T), all row-major without padding. Addresses of absent operands are 0.
struct GemmS8Arguments {
  std::uint64_t a = 0, b = 0;                            // int8
  std::uint64_t out = 0;                                 // of type `output`
  std::uint64_t row_scale = 0, col_scale = 0, bias = 0;  // float32
  int row_scale_stride = 0, col_scale_stride = 0;        // 0: one scale for all, 1: one per row (column)
  int m = 0, n = 0, k = 0;
  OutputType output = OutputType::kS32;
  // Of the device: kernels that go from tile to tile start so many blocks. Emulation pretends; an H200 has 132.
  int multiprocessors = 132;
};

// The longest K whose sum fits int32 whatever the operands: each product is at most 128 * 128.
constexpr int kLargestExactK = 2147483647 / (128 * 128);

using EmulateGemmS8 = simt::host::Report (*)(const GemmS8Arguments&, simt::host::GlobalMemory&, const simt::host::Options&);
using LaunchGemmS8 = int (*)(const GemmS8Arguments&, std::uint64_t stream);  // returns a cudaError_t

// A tile configuration of any of the family's kernels. A warp tile is what one warp (IMMA) or warpgroup (wgmma) multiplies.
struct GemmTile {
  std::string instruction;  // "m16n8k32", or "m64n256k32" of a warpgroup
  int block_m, block_n, block_k;
  int warps_m, warps_n;  // those that multiply, of four each for wgmma
  int warp_m, warp_n;
  int stages, threads, shared_bytes;
  int cluster_m = 1, cluster_n = 1, split_k = 1;
  bool swapped = false;  // the instruction's rows are columns of the output
  bool needs_sm90a = false;
};

struct GemmS8Kernel {
  std::string id;
  GemmTile tile;
  EmulateGemmS8 emulate;
  LaunchGemmS8 launch;  // null in a build without CUDA
};

// Every compiled configuration, in the order of the table.
std::span<const GemmS8Kernel> gemm_s8_kernels();

// Why this kernel cannot compute this problem, with what to change; empty when it can.
std::string illegal_reason(const GemmTile& tile, int m, int n, int k);

// Has an architecture (80, 86, 89, 90) this tile's instructions, and shared memory for its block?
bool runs_on(const GemmTile& tile, int architecture);

}  // namespace immabench
