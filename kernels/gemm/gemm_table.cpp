// The table of kernels: every compiled configuration, with its id.
#include <gemm/gemm.hpp>

#include <utility>
#include <vector>

#include <gemm/gemm_instances.hpp>
#include <gemm/mma_description.hpp>

namespace immabench {
namespace {

std::string make_id(const std::string& types, const WgmmaTile& tile) {
  std::string id =
      types + "_" + by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" + std::to_string(tile.consumers);
  if (tile.cluster_m * tile.cluster_n > 1) id += "_c" + by(tile.cluster_m, tile.cluster_n);
  return id + split(tile.split_k) + "_s" + std::to_string(tile.stages) + (tile.swapped ? "_swap" : "") + "_sm90a";
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
                                                                            : GroupScale::kNone,
          .image = tile.image};
}

std::string make_id(const WgmmaPackedTile& tile) {
  const GemmOperands operands = operands_of(tile);
  const std::string a = operands.a == OperandType::kS8 ? "s8" : operands.a == OperandType::kF16 ? "f16" : "bf16";
  const std::string b = operands.b == OperandType::kS8 ? "s8" : operands.b == OperandType::kS4 ? "s4" : "u4";
  const std::string id = (tile.image ? "wgmma_conv_" : "wgmma_") + a + b + (operands.integer() ? "s32_" : "f32_") +
                         by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" +
                         std::to_string(tile.consumers) + (tile.split_k > 1 ? "_k" + std::to_string(tile.split_k) : "");
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
  if (tile.image) return "conv2d_w4a8";
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

}  // namespace

std::span<const GemmKernel> gemm_kernels() {
  static const auto kernels = make_kernels();
  return kernels;
}

}  // namespace immabench
