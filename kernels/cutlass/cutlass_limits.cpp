// What CUTLASS' kernels cannot do, beyond what no kernel of their instructions can.
#include <cstdint>

#include <gemm/mma_tile.hpp>

#include "cutlass_gemm.hpp"

namespace immabench {
namespace {

constexpr int kChunkBits = 128;   // copied at a time
constexpr int kMaxFilter = 32;    // a filter's height or width: CUTLASS keeps a bit for each row and column of taps
constexpr int kMaxGrid = 65535;   // blocks along y and z
constexpr int kSwizzleWidth = 8;  // tiles along N that share a y, by mma.sync

const std::string kOther = "take a kernel of immabench by mma.sync (imma)";

std::string row_reason(const char* what, int extent, const GemmKernel& kernel) {
  const int multiple = kChunkBits / bits_of(kernel.operands.a);
  if (extent % multiple == 0) return {};
  return std::string(what) + "=" + std::to_string(extent) + " is no multiple of " + std::to_string(multiple) +
         ": CUTLASS copies whole 16 bytes; pad with zeros, or " + kOther;
}

std::string image_reason(const GemmKernel& kernel, const GemmArguments& call) {
  const ConvolutionArguments& c = call.convolution;
  if (const std::string reason = row_reason("channels", c.channels, kernel); !reason.empty()) return reason;
  if (c.filter_height > kMaxFilter || c.filter_width > kMaxFilter) return "CUTLASS' filters go up to 32 by 32 taps; " + kOther;
  if (call.epilogue.a_zero && (c.padding_height || c.padding_width))
    return "CUTLASS pads images with 0, and not with the zero point of A; quantize A symmetrically, or " + kOther;
  const std::int64_t image_bytes = std::int64_t{c.images} * c.height * c.width * c.channels;
  if (image_bytes > INT32_MAX || c.k() * call.n > INT32_MAX)
    return "CUTLASS' images and filters take at most 2^31-1 bytes each; split them, or " + kOther;
  return {};
}

std::string grid_reason(const GemmKernel& kernel, const GemmArguments& call) {
  if (call.batch > kMaxGrid) return "a batch of CUTLASS' has at most 65535 products; split it, or " + kOther;
  // By wgmma whole clusters lie along y, where a block has one tile.
  const GemmTile& tile = kernel.tile;
  const int most = tile.needs_sm90a ? kMaxGrid / tile.cluster_n * tile.cluster_n : kMaxGrid * kSwizzleWidth;
  if (ceil_divide(call.n, tile.block_n) > most)
    return "N=" + std::to_string(call.n) + " has more tiles than the largest grid; take a larger tile, or " + kOther;
  return {};
}

}  // namespace

std::string cutlass_illegal_reason(const GemmKernel& kernel, const GemmArguments& call) {
  if (const std::string reason = illegal_reason(kernel, call); !reason.empty()) return reason;
  const std::string rows = kernel.operands.image ? image_reason(kernel, call) : row_reason("K", call.k, kernel);
  if (!rows.empty()) return rows;
  if ((call.a | call.b) % (kChunkBits / 8))
    return "operands start at an address that is no multiple of 16 bytes; pass copies, or " + kOther;
  return grid_reason(kernel, call);
}

}  // namespace immabench
