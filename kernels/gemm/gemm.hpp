// The GEMM families as the rest of the library sees them: what a call is given, which kernels there are, how to run them.
// Torch-free: addresses and integers in, a status or a report out.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include <conv/convolution.hpp>
#include <gemm/epilogue_arguments.hpp>

namespace simt::host {
class GlobalMemory;
struct Options;
struct Report;
}  // namespace simt::host

namespace immabench {

// out[m,n] = epilogue(A[m,k] . B[n,k]^T), all row-major without padding. Addresses of absent operands are 0.
//
// Of a batch there are so many of each, one after the other: A[batch,m,k], B[batch,n,k], out and residual [batch,m,n], vectors
// [batch,m] and [batch,n]. What is one value for all rows or columns is one for the batch too.
//
// Of a convolution A is an image, and a row of it what one output pixel's filter meets (conv/convolution.hpp); a zero point of
// A is one for all, and what surrounds the image.
struct GemmArguments {
  std::uint64_t a = 0, b = 0;  // of the kernel's operand types; packed weights as its WeightLayout says
  std::uint64_t out = 0;       // of type epilogue.output
  EpilogueArguments epilogue;
  int m = 0, n = 0, k = 0;
  int batch = 1;
  ConvolutionArguments convolution;
  // Of weights with parameters a group of K: [K / group, N], N padded to 16 as the weights are. `group_affine` of s8
  // activations is uint16, step + 256 (128 - zero * step); of 16-bit ones uint32, the scale's bits below those of 1024 + zero
  // (f16) or 128 + zero (bf16). Within 16 columns it lies in the order 0, 8, 1, 9, ..
  std::uint64_t group_scale = 0;  // float32
  std::uint64_t group_affine = 0;
  int group = 0;                // elements of K, 0 without groups
  std::uint64_t workspace = 0;  // of workspace_bytes, zeros before the first launch
  // Of the device: kernels that go from tile to tile start so many blocks. Emulation pretends; an H200 has 132.
  int multiprocessors = 132;
};

using EmulateGemm = simt::host::Report (*)(const GemmArguments&, simt::host::GlobalMemory&, const simt::host::Options&);
using LaunchGemm = int (*)(const GemmArguments&, std::uint64_t stream);  // returns a cudaError_t

enum class OperandType : int { kS8, kS4, kU4, kF16, kBF16, kB1 };

SIMT_CALLABLE constexpr int bits_of(OperandType type) {
  switch (type) {
    case OperandType::kB1: return 1;
    case OperandType::kS4:
    case OperandType::kU4: return 4;
    case OperandType::kS8: return 8;
    default: return 16;
  }
}

// The longest K whose int32 sums of products of two types cannot overflow. With a zero point of A, an int8, its elements run
// that much further from it.
constexpr int longest_exact_k(OperandType a, OperandType b, bool a_zero) {
  // 4-bit weights of int8 activations are multiplied as any int8.
  const auto largest = [](OperandType type) { return type == OperandType::kB1 ? 1 : type == OperandType::kS8 ? 128 : 8; };
  const int largest_b = a == OperandType::kS8 ? 128 : largest(b);
  return 2147483647 / ((largest(a) + (a_zero ? 127 : 0)) * largest_b);
}

// How a kernel wants its weights: row by row, or in blocks of 16 rows in which each lane of a warp finds its fragments in 16
// neighbouring bytes (docs/numerics.md, "Fragment-major weights").
enum class WeightLayout : int { kRowMajor, kFragmentMajor };

// What scales weights beside the epilogue's col_scale: nothing, an integer step and zero point a group (the sum stays an
// integer), or a float scale a group. One group may be all of K but where int8 activations meet float scales.
enum class GroupScale : int { kNone, kStep, kFloat };

struct GemmOperands {
  OperandType a = OperandType::kS8, b = OperandType::kS8;
  WeightLayout layout = WeightLayout::kRowMajor;
  GroupScale groups = GroupScale::kNone;
  bool image = false;  // A is an image

  // Is a sum an exact integer?
  bool integer() const { return a != OperandType::kF16 && a != OperandType::kBF16 && groups != GroupScale::kFloat; }
};

// A tile configuration of any kernel. A warp tile is what one warp (mma.sync) or warpgroup (wgmma) multiplies.
struct GemmTile {
  std::string instruction;  // "m16n8k32", or "m64n256k32" of a warpgroup
  int block_m, block_n, block_k;
  int warps_m, warps_n;  // those that multiply, of four each for wgmma
  int warp_m, warp_n;
  int stages, threads, shared_bytes;
  int cluster_m = 1, cluster_n = 1, split_k = 1;
  bool streamed = false;  // all tiles' K is dealt out to as many blocks as run at once
  bool swapped = false;   // the instruction's rows are columns of the output
  bool needs_sm90a = false;
  bool ends_at_sm89 = false;  // later architectures have no such instruction
};

struct GemmKernel {
  std::string id;
  std::string family;  // as immabench.ops names it: gemm_s8, gemm_w4a8, conv2d_s8, ...
  GemmOperands operands;
  GemmTile tile;
  EmulateGemm emulate;                   // null of another provider's kernels
  LaunchGemm launch;                     // null in a build without CUDA
  std::string provider = "handwritten";  // or "cutlass"
};

// Every compiled configuration, family by family, in the order of their tables.
std::span<const GemmKernel> gemm_kernels();

// Why this kernel cannot compute this call, with what to change; empty when it can. Looks at sizes, the group, the convolution
// and the addresses of its operands (0 will do), and whether A has a zero point.
std::string illegal_reason(const GemmKernel& kernel, const GemmArguments& call);

// Bytes of global memory in which blocks of a kernel add up what they share, zeros before its first launch; 0 where they share
// nothing. Looks at sizes and multiprocessors.
std::int64_t workspace_bytes(const GemmKernel& kernel, const GemmArguments& call);

// Why an architecture (80, 86, 89, 90) cannot run this tile's kernel: its instructions, or shared memory for its block; empty
// when it can.
std::string unsupported_reason(const GemmTile& tile, int architecture);

}  // namespace immabench
