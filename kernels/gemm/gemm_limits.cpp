// What kernels cannot do: problems, architectures; and the memory they need beside operands.
#include <climits>
#include <tuple>

#include <conv/convolution_maps.hpp>
#include <gemm/gemm.hpp>
#include <gemm/mma_tile.hpp>

namespace immabench {
namespace {

// Dynamic shared memory a block may have (CUDA C++ Programming Guide, technical specifications per compute capability).
constexpr int shared_limit(int architecture) {
  switch (architecture) {
    case 80: return 163 * 1024;
    case 86:
    case 89: return 99 * 1024;
    case 90: return 227 * 1024;
    default: return 0;
  }
}

// Rows that are no whole bytes, or, of kernels that copy 16 bytes at a time and nothing else, no whole such chunks.
std::string row_reason(const GemmOperands& operands, int k) {
  const bool chunks = operands.layout == WeightLayout::kFragmentMajor;
  const int multiple = (chunks ? 8 * 16 : 8) / bits_of(operands.a);
  if (multiple < 2 || k % multiple == 0) return {};
  return "K=" + std::to_string(k) + " is no multiple of " + std::to_string(multiple) + ", rows of A have no whole " +
         (chunks ? "16 bytes" : "bytes") + "; pad K with zeros";
}

// 16 rows of packed weights, and a row of 16-bit activations, are counted in bytes by an int.
constexpr int kLongestPackedK = 1 << 26;

std::string group_reason(const GemmOperands& operands, int k, int group) {
  if (operands.groups == GroupScale::kNone) return group == 0 ? "" : "has no scales a group of K; take another kernel";
  const bool may_be_whole = operands.groups == GroupScale::kStep || bits_of(operands.a) == 16;
  if (group != 32 && group != 64 && group != 128 && !(may_be_whole && group == k)) {
    return "has groups of 32, 64 or 128 elements of K" + std::string(may_be_whole ? ", or one of all of K" : "") + ", not " +
           std::to_string(group);
  }
  return k % group == 0 ? ""
                        : "K=" + std::to_string(k) + " is no whole number of groups of " + std::to_string(group) + "; pad K";
}

// Kernels whose operands lie row by row, and not as tensor maps of ours describe them, go from one pair of matrices to the
// next. CUTLASS' tensor maps have the product as a dimension.
std::string batch_reason(const GemmKernel& kernel, int m, int batch) {
  if (batch < 1) return "a batch has at least 1 product";
  if (batch == 1) return {};
  const bool one_map = kernel.tile.needs_sm90a && kernel.provider == "handwritten";
  if (kernel.operands.layout != WeightLayout::kRowMajor || kernel.operands.image || one_map)
    return "computes one product, not a batch of them; take a kernel by mma.sync of two operands of one type (imma_s8s8s32)";
  if (m > INT_MAX / batch)
    return "all rows of a batch, " + std::to_string(std::int64_t{m} * batch) + ", exceed 2^31-1; split it";
  return {};
}

// What tensor maps cannot say of a convolution: they surround images by zeros.
std::string map_reason(const GemmArguments& call) {
  const ConvolutionArguments& c = call.convolution;
  const std::string other = "take a kernel by mma.sync (imma_conv)";
  if (call.epilogue.a_zero && (c.padding_height || c.padding_width))
    return "pads images with 0, and not with the zero point of A; quantize A symmetrically, or " + other;
  if ((call.a | call.b) % 16) return "operands start at an address that is no multiple of 16 bytes; pass copies, or " + other;
  const char* reason = unmapped_reason(c, call.n);
  return reason ? "no tensor map describes this: " + std::string(reason) + "; " + other : "";
}

std::string image_reason(const GemmKernel& kernel, const GemmArguments& call) {
  const GemmOperands& operands = kernel.operands;
  const ConvolutionArguments& c = call.convolution;
  if (operands.image != c.present())
    return operands.image ? "convolves images, not matrices" : "multiplies matrices, not images";
  if (!c.present()) return {};
  if (const char* reason = c.invalid_reason()) return reason;
  if (c.m() != call.m || c.k() != call.k) return "M and K are not those of the convolution";
  const bool mapped = kernel.tile.needs_sm90a;
  if ((mapped || operands.layout == WeightLayout::kFragmentMajor) && c.channels % 16) {
    return "channels=" + std::to_string(c.channels) + " is no multiple of 16, pixels have no whole 16 bytes; pad the channels" +
           (mapped ? ", or take a kernel by mma.sync (imma_conv)" : "");
  }
  if (mapped && operands.layout == WeightLayout::kFragmentMajor && c.channels % 64) {
    return "channels=" + std::to_string(c.channels) +
           " is no multiple of 64, a line of a box; pad the channels, or take a kernel " + "by mma.sync (imma_conv)";
  }
  return mapped ? map_reason(call) : "";
}

}  // namespace

std::string illegal_reason(const GemmKernel& kernel, const GemmArguments& call) {
  const auto [m, n, k, batch] = std::tuple(call.m, call.n, call.k, call.batch);
  const bool a_zero = call.epilogue.a_zero != 0;
  if (m < 1 || n < 1 || k < 1) return "M, N and K must be at least 1";
  const GemmOperands& operands = kernel.operands;
  const int longest = longest_exact_k(operands.a, operands.b, a_zero);
  if (operands.integer() && k > longest) {
    return "K=" + std::to_string(k) + " exceeds " + std::to_string(longest) +
           ", the largest with which int32 cannot overflow; split K and add the parts";
  }
  if (a_zero && !operands.integer())
    return "a zero point of A needs integer sums; quantize A symmetrically, or take another kernel";
  if (k > kLongestPackedK && operands.layout == WeightLayout::kFragmentMajor)
    return "K=" + std::to_string(k) + " exceeds " + std::to_string(kLongestPackedK) + ", what 16 packed rows may have; split K";
  for (std::string reason : {batch_reason(kernel, m, batch), image_reason(kernel, call), row_reason(operands, k),
                             group_reason(operands, k, call.group)}) {
    if (!reason.empty()) return reason;
  }
  const std::int64_t tiles = std::int64_t{ceil_divide(m, kernel.tile.block_m)} * ceil_divide(n, kernel.tile.block_n);
  if (tiles > INT_MAX / batch) {
    return (batch > 1 ? std::to_string(batch) + " times " : "") + std::to_string(tiles) +
           " tiles exceed the largest grid; take a larger tile or split " + (batch > 1 ? "the batch" : "M");
  }
  const bool shared = kernel.tile.streamed || kernel.tile.split_k > 1;
  if (shared && tiles * batch * ceil_divide(k, kernel.tile.block_k) > INT_MAX)
    return std::to_string(tiles * batch) + " tiles with their steps along K exceed what is counted; take a larger tile";
  return {};
}

std::int64_t workspace_bytes(const GemmKernel& kernel, const GemmArguments& call) {
  const GemmTile& tile = kernel.tile;
  const bool clusters = tile.needs_sm90a;  // whose blocks add up in shared memory
  if (clusters || (tile.split_k == 1 && !tile.streamed)) return 0;
  const int tiles = call.batch * ceil_divide(call.m, tile.block_m) * ceil_divide(call.n, tile.block_n);
  const int blocks = grid_blocks(tile.streamed ? kStreamK : tile.split_k, tile.shared_bytes, tiles,
                                 ceil_divide(call.k, tile.block_k), call.multiprocessors);
  constexpr int kSlots = 2, kBytes = 4;  // parts a block leaves at most; of a sum, and of a tile's counter
  return std::int64_t{kSlots} * blocks * tile.block_m * tile.block_n * kBytes + std::int64_t{tiles} * kBytes;
}

std::string unsupported_reason(const GemmTile& tile, int architecture) {
  const std::string name = "sm_" + std::to_string(architecture);
  if (tile.needs_sm90a && architecture != 90) return name + " has no wgmma; take a kernel by mma.sync (imma)";
  if (tile.ends_at_sm89 && architecture > 89) return name + " has no 4-bit matrix instruction; take gemm_w4a8, or gemm_s8";
  if (tile.shared_bytes > shared_limit(architecture))
    return name + " has less shared memory than a block takes; take a smaller tile";
  return {};
}

}  // namespace immabench
