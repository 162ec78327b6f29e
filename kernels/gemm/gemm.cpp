#include <gemm/gemm.hpp>

#include <climits>
#include <tuple>
#include <utility>
#include <vector>

#include <conv/convolution_maps.hpp>
#include <gemm/gemm_instances.hpp>

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

std::string by(int a, int b) { return std::to_string(a) + "x" + std::to_string(b); }

std::string split(int split_k) {
  if (split_k == 1) return {};
  return split_k == kStreamK ? "_streamk" : "_k" + std::to_string(split_k);
}

std::string make_id(const std::string& types, const MmaTile& tile) {
  return types + "_" + by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" +
         by(tile.warps_m, tile.warps_n) + split(tile.split_k) + "_s" + std::to_string(tile.stages) + "_sm80";
}

std::string make_id(const std::string& types, const WgmmaTile& tile) {
  std::string id =
      types + "_" + by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" + std::to_string(tile.consumers);
  if (tile.cluster_m * tile.cluster_n > 1) id += "_c" + by(tile.cluster_m, tile.cluster_n);
  return id + split(tile.split_k) + "_s" + std::to_string(tile.stages) + (tile.swapped ? "_swap" : "") + "_sm90a";
}

GemmTile describe(const MmaTile& tile, const MmaWidths& widths) {
  return {.instruction = "m16n8k" + std::to_string(widths.mma_k),
          .block_m = tile.block_m,
          .block_n = tile.block_n,
          .block_k = tile.block_k,
          .warps_m = tile.warps_m,
          .warps_n = tile.warps_n,
          .warp_m = tile.warp_m(),
          .warp_n = tile.warp_n(),
          .stages = tile.stages,
          .threads = tile.threads(),
          .shared_bytes = tile.shared_bytes(widths),
          .split_k = tile.split_k == kStreamK ? 1 : tile.split_k,
          .streamed = tile.split_k == kStreamK,
          .ends_at_sm89 = widths.a_bits == 4};
}

GemmTile describe(const WgmmaTile& tile) {
  const bool swapped = tile.swapped;
  return {.instruction = "m64n" + std::to_string(tile.block_columns()) + "k32",
          .block_m = tile.block_m,
          .block_n = tile.block_n,
          .block_k = tile.block_k,
          .warps_m = swapped ? 1 : tile.consumers,
          .warps_n = swapped ? tile.consumers : 1,
          .warp_m = swapped ? tile.block_m : tile.consumer_rows(),
          .warp_n = swapped ? tile.consumer_rows() : tile.block_n,
          .stages = tile.stages,
          .threads = tile.threads(),
          .shared_bytes = tile.shared_bytes(),
          .cluster_m = tile.cluster_m,
          .cluster_n = tile.cluster_n,
          .split_k = tile.split_k,
          .swapped = swapped,
          .needs_sm90a = true};
}

GemmOperands operands_of(const WgmmaPackedTile& tile) {
  const bool bf16 = tile.format == PackedFormat::kW4BF16 || tile.format == PackedFormat::kW8BF16;
  return {.a = !tile.floats() ? OperandType::kS8
               : bf16         ? OperandType::kBF16
                              : OperandType::kF16,
          .b = tile.weight_bits() == 8 ? OperandType::kS8
               : tile.grouped()        ? OperandType::kU4
                                       : OperandType::kS4,
          .layout = WeightLayout::kFragmentMajor,
          .groups = tile.scale_bytes() || (tile.grouped() && tile.floats()) ? GroupScale::kFloat
                    : tile.grouped()                                        ? GroupScale::kStep
                                                                            : GroupScale::kNone};
}

std::string make_id(const WgmmaPackedTile& tile) {
  const GemmOperands operands = operands_of(tile);
  const std::string a = operands.a == OperandType::kS8 ? "s8" : operands.a == OperandType::kF16 ? "f16" : "bf16";
  const std::string b = operands.b == OperandType::kS8 ? "s8" : operands.b == OperandType::kS4 ? "s4" : "u4";
  const std::string id = "wgmma_" + a + b + (operands.integer() ? "s32_" : "f32_") + by(tile.block_m, tile.block_n) + "x" +
                         std::to_string(tile.block_k) + "_w" + std::to_string(tile.consumers) +
                         (tile.split_k > 1 ? "_k" + std::to_string(tile.split_k) : "");
  return id + "_s" + std::to_string(tile.stages) + "_sm90a";
}

GemmTile describe(const WgmmaPackedTile& tile) {
  return {.instruction = "m64n" + std::to_string(tile.block_m) + (tile.floats() ? "k16" : "k32"),
          .block_m = tile.block_m,
          .block_n = tile.block_n,
          .block_k = tile.block_k,
          .warps_m = 1,
          .warps_n = tile.consumers,
          .warp_m = tile.block_m,
          .warp_n = tile.consumer_rows(),
          .stages = tile.stages,
          .threads = tile.threads(),
          .shared_bytes = tile.shared_bytes(),
          .split_k = tile.split_k,
          .swapped = true,
          .needs_sm90a = true};
}

const char* family_of(const WgmmaPackedTile& tile) {
  return !tile.floats() ? "gemm_w4a8" : tile.weight_bits() == 4 ? "gemm_w4a16" : "gemm_w8a16";
}

template <class Table, int... kShard>
void append_mma(std::vector<GemmKernel>& kernels, const char* types, const char* family, const GemmOperands& operands,
                std::integer_sequence<int, kShard...>) {
  EmulateGemm emulate[kTileCount<Table>] = {};
  LaunchGemm launch[kTileCount<Table>] = {};
  (fill_mma_emulated<Table, kShard>(emulate), ...);
#if defined(IMMABENCH_CUDA)
  (fill_mma_cuda<Table, kShard>(launch), ...);
#endif
  for (int i = 0; i < kTileCount<Table>; ++i) {
    const MmaTile& tile = Table::tiles[i];
    kernels.push_back({make_id(types, tile), family, operands, describe(tile, Table::widths), emulate[i], launch[i]});
  }
}

template <bool kAffine, bool kFloat, class Shards>
void append_w4a8(std::vector<GemmKernel>& kernels, const char* types, Shards shards) {
  const GemmOperands operands{.a = OperandType::kS8,
                              .b = kAffine ? OperandType::kU4 : OperandType::kS4,
                              .layout = WeightLayout::kFragmentMajor,
                              .groups = kFloat    ? GroupScale::kFloat
                                        : kAffine ? GroupScale::kStep
                                                  : GroupScale::kNone};
  append_mma<W4A8Tiles<kAffine, kFloat>>(kernels, types, "gemm_w4a8", operands, shards);
}

template <bool kAffine, class Shards>
void append_conv_w4a8(std::vector<GemmKernel>& kernels, const char* types, Shards shards) {
  const GemmOperands operands{.a = OperandType::kS8,
                              .b = kAffine ? OperandType::kU4 : OperandType::kS4,
                              .layout = WeightLayout::kFragmentMajor,
                              .groups = kAffine ? GroupScale::kStep : GroupScale::kNone,
                              .image = true};
  append_mma<ConvW4A8Tiles<kAffine>>(kernels, types, "conv2d_w4a8", operands, shards);
}

template <template <bool kBF16> class Tiles, class Shards>
void append_dequantized(std::vector<GemmKernel>& kernels, OperandType weights, const char* family, Shards shards) {
  GemmOperands operands{.a = OperandType::kF16,
                        .b = weights,
                        .layout = WeightLayout::kFragmentMajor,
                        .groups = weights == OperandType::kU4 ? GroupScale::kFloat : GroupScale::kNone};
  const std::string sums = (weights == OperandType::kU4 ? "u4" : "s8") + std::string("f32");
  append_mma<Tiles<false>>(kernels, ("hmma_f16" + sums).c_str(), family, operands, shards);
  operands.a = OperandType::kBF16;
  append_mma<Tiles<true>>(kernels, ("hmma_bf16" + sums).c_str(), family, operands, shards);
}

template <int... kShard>
void append_wgmma(std::vector<GemmKernel>& kernels, std::integer_sequence<int, kShard...>) {
  EmulateGemm emulate[kWgmmaTileCount] = {};
  LaunchGemm launch[kWgmmaTileCount] = {};
  (fill_wgmma_emulated<kShard>(emulate), ...);
#if defined(IMMABENCH_CUDA)
  (fill_wgmma_cuda<kShard>(launch), ...);
#endif
  for (int i = 0; i < kWgmmaTileCount; ++i) {
    const WgmmaTile& tile = kWgmmaTiles[i];
    kernels.push_back({make_id("wgmma_s8s8s32", tile), "gemm_s8", GemmOperands{}, describe(tile), emulate[i], launch[i]});
  }
}

template <int... kShard>
void append_wgmma_conv(std::vector<GemmKernel>& kernels, std::integer_sequence<int, kShard...>) {
  EmulateGemm emulate[kWgmmaConvTileCount] = {};
  LaunchGemm launch[kWgmmaConvTileCount] = {};
  (fill_wgmma_conv_emulated<kShard>(emulate), ...);
#if defined(IMMABENCH_CUDA)
  (fill_wgmma_conv_cuda<kShard>(launch), ...);
#endif
  for (int i = 0; i < kWgmmaConvTileCount; ++i) {
    const WgmmaTile& tile = kWgmmaConvTiles[i];
    const std::string id = make_id("wgmma_conv_s8s8s32", tile);
    kernels.push_back({id, "conv2d_s8", {.image = true}, describe(tile), emulate[i], launch[i]});
  }
}

template <int... kShard>
void append_packed(std::vector<GemmKernel>& kernels, std::integer_sequence<int, kShard...>) {
  EmulateGemm emulate[kWgmmaPackedTileCount] = {};
  LaunchGemm launch[kWgmmaPackedTileCount] = {};
  (fill_wgmma_packed_emulated<kShard>(emulate), ...);
#if defined(IMMABENCH_CUDA)
  (fill_wgmma_packed_cuda<kShard>(launch), ...);
#endif
  for (int i = 0; i < kWgmmaPackedTileCount; ++i) {
    const WgmmaPackedTile& tile = kWgmmaPackedTiles[i];
    kernels.push_back({make_id(tile), family_of(tile), operands_of(tile), describe(tile), emulate[i], launch[i]});
  }
}

std::vector<GemmKernel> make_kernels() {
  constexpr auto kShards = std::make_integer_sequence<int, IMMABENCH_SHARDS>{};
  std::vector<GemmKernel> kernels;
  append_mma<S8Tiles>(kernels, "imma_s8s8s32", "gemm_s8", GemmOperands{}, kShards);
  append_wgmma(kernels, kShards);
  append_w4a8<false, false>(kernels, "imma_s8s4s32", kShards);
  append_w4a8<true, false>(kernels, "imma_s8u4s32", kShards);
  append_w4a8<false, true>(kernels, "imma_s8s4f32", kShards);
  append_w4a8<true, true>(kernels, "imma_s8u4f32", kShards);
  append_dequantized<W4A16Tiles>(kernels, OperandType::kU4, "gemm_w4a16", kShards);
  append_dequantized<W8A16Tiles>(kernels, OperandType::kS8, "gemm_w8a16", kShards);
  append_mma<S4Tiles>(kernels, "imma_s4s4s32", "gemm_w4a4", {.a = OperandType::kS4, .b = OperandType::kS4}, kShards);
  append_mma<B1Tiles>(kernels, "bmma_b1b1s32", "gemm_b1", {.a = OperandType::kB1, .b = OperandType::kB1}, kShards);
  append_packed(kernels, kShards);
  append_mma<ConvS8Tiles>(kernels, "imma_conv_s8s8s32", "conv2d_s8", {.image = true}, kShards);
  append_wgmma_conv(kernels, kShards);
  append_conv_w4a8<false>(kernels, "imma_conv_s8s4s32", kShards);
  append_conv_w4a8<true>(kernels, "imma_conv_s8u4s32", kShards);
  return kernels;
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

// Kernels whose operands lie row by row, and not as tensor maps describe them, go from one pair of matrices to the next.
std::string batch_reason(const GemmKernel& kernel, int m, int batch) {
  if (batch < 1) return "a batch has at least 1 product";
  if (batch == 1) return {};
  if (kernel.operands.layout != WeightLayout::kRowMajor || kernel.operands.image || kernel.tile.needs_sm90a)
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
  return mapped ? map_reason(call) : "";
}

}  // namespace

std::span<const GemmKernel> gemm_kernels() {
  static const auto kernels = make_kernels();
  return kernels;
}

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
