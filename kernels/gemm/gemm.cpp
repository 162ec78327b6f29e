#include <gemm/gemm.hpp>

#include <climits>
#include <iterator>
#include <utility>
#include <vector>

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

std::string make_id(const ImmaTile& tile) {
  return "imma_s8s8s32_" + by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" +
         by(tile.warps_m, tile.warps_n) + "_s" + std::to_string(tile.stages) + "_sm80";
}

std::string make_id(const WgmmaTile& tile) {
  std::string id = "wgmma_s8s8s32_" + by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" +
                   std::to_string(tile.consumers);
  if (tile.cluster_m * tile.cluster_n > 1) id += "_c" + by(tile.cluster_m, tile.cluster_n);
  if (tile.split_k > 1) id += "_k" + std::to_string(tile.split_k);
  return id + "_s" + std::to_string(tile.stages) + (tile.swapped ? "_swap" : "") + "_sm90a";
}

GemmTile describe(const ImmaTile& tile) {
  return {.instruction = "m16n8k32",
          .block_m = tile.block_m,
          .block_n = tile.block_n,
          .block_k = tile.block_k,
          .warps_m = tile.warps_m,
          .warps_n = tile.warps_n,
          .warp_m = tile.warp_m(),
          .warp_n = tile.warp_n(),
          .stages = tile.stages,
          .threads = tile.threads(),
          .shared_bytes = tile.shared_bytes()};
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

GemmOperands operands_of(const WgmmaPackedTile& tile, bool signed_codes) {
  const bool bf16 = tile.format == PackedFormat::kW4BF16 || tile.format == PackedFormat::kW8BF16;
  return {.a = !tile.floats() ? OperandType::kS8 : bf16 ? OperandType::kBF16 : OperandType::kF16,
          .b = tile.weight_bits() == 8 ? OperandType::kS8 : signed_codes ? OperandType::kS4 : OperandType::kU4,
          .layout = WeightLayout::kFragmentMajor,
          .groups = tile.format == PackedFormat::kW4A8Step ? GroupScale::kStep
                    : tile.grouped()                       ? GroupScale::kFloat
                                                           : GroupScale::kNone};
}

std::string make_id(const WgmmaPackedTile& tile, bool signed_codes) {
  const GemmOperands operands = operands_of(tile, signed_codes);
  const std::string a = operands.a == OperandType::kS8 ? "s8" : operands.a == OperandType::kF16 ? "f16" : "bf16";
  const std::string b = operands.b == OperandType::kS8 ? "s8" : signed_codes ? "s4" : "u4";
  std::string id = "wgmma_" + a + b + (operands.integer() ? "s32_" : "f32_") + by(tile.block_m, tile.block_n) + "x" +
                   std::to_string(tile.block_k) + "_w" + std::to_string(tile.consumers);
  if (tile.split_k > 1) id += "_k" + std::to_string(tile.split_k);
  id += "_s" + std::to_string(tile.stages);
  return id + (operands.groups == GroupScale::kStep ? "_step" : "") + "_sm90a";
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

constexpr const char* kS8Family = "gemm_s8";

template <class Tiles, class Emulate, class Launch>
void append(std::vector<GemmKernel>& kernels, const char* family, const GemmOperands& operands, const Tiles& tiles,
            const Emulate& emulate, const Launch& launch) {
  for (std::size_t i = 0; i < std::size(tiles); ++i) {
    kernels.push_back({make_id(tiles[i]), family, operands, describe(tiles[i]), emulate[i], launch[i]});
  }
}

// Signed codes of every format and, where there are parameters to hold zero points, unsigned ones.
template <int... kShard>
void append_packed(std::vector<GemmKernel>& kernels, std::integer_sequence<int, kShard...>) {
  PackedEntry<EmulateGemm> emulate[kWgmmaPackedTileCount] = {};
  PackedEntry<LaunchGemm> launch[kWgmmaPackedTileCount] = {};
  (fill_wgmma_packed_emulated<kShard>(emulate), ...);
#if defined(IMMABENCH_CUDA)
  (fill_wgmma_packed_cuda<kShard>(launch), ...);
#endif
  for (int i = 0; i < kWgmmaPackedTileCount; ++i) {
    const WgmmaPackedTile& tile = kWgmmaPackedTiles[i];
    const auto add = [&](bool signed_codes, EmulateGemm emulated, LaunchGemm launched) {
      kernels.push_back({make_id(tile, signed_codes), family_of(tile), operands_of(tile, signed_codes), describe(tile), emulated,
                         launched});
    };
    add(true, emulate[i].signed_codes, launch[i].signed_codes);
    if (tile.grouped()) add(false, emulate[i].unsigned_codes, launch[i].unsigned_codes);
  }
}

template <int... kShard>
std::vector<GemmKernel> make_kernels(std::integer_sequence<int, kShard...>) {
  EmulateGemm emulate_imma[kImmaTileCount] = {}, emulate_wgmma[kWgmmaTileCount] = {};
  LaunchGemm launch_imma[kImmaTileCount] = {}, launch_wgmma[kWgmmaTileCount] = {};
  ((fill_imma_emulated<kShard>(emulate_imma), fill_wgmma_emulated<kShard>(emulate_wgmma)), ...);
#if defined(IMMABENCH_CUDA)
  ((fill_imma_cuda<kShard>(launch_imma), fill_wgmma_cuda<kShard>(launch_wgmma)), ...);
#endif
  std::vector<GemmKernel> kernels;
  append(kernels, kS8Family, GemmOperands{}, kImmaTiles, emulate_imma, launch_imma);
  append(kernels, kS8Family, GemmOperands{}, kWgmmaTiles, emulate_wgmma, launch_wgmma);
  append_packed(kernels, std::integer_sequence<int, kShard...>{});
  return kernels;
}

// Of kernels whose weights are fragment-major.
std::string illegal_weights(const GemmKernel& kernel, int k, int group, bool a_zero) {
  if (kernel.operands.layout != WeightLayout::kFragmentMajor) return {};
  if (k % 16) return "K=" + std::to_string(k) + " is no multiple of 16; pad both operands along K with zeros";
  if (!kernel.operands.integer() && a_zero) return "sums floats, which a zero point of A cannot correct; quantize A symmetrically";
  if (kernel.operands.groups == GroupScale::kNone || group == 0) return {};
  if (k % group) return "groups of " + std::to_string(group) + " do not divide K=" + std::to_string(k) + "; choose a divisor";
  if (kernel.tile.needs_sm90a && !is_packed_group(group, k))
    return "has no groups of " + std::to_string(group) + "; take 32, 64, a multiple of 128, or all of K";
  return {};
}

}  // namespace

std::span<const GemmKernel> gemm_kernels() {
  static const auto kernels = make_kernels(std::make_integer_sequence<int, IMMABENCH_SHARDS>{});
  return kernels;
}

std::string illegal_reason(const GemmKernel& kernel, int m, int n, int k, int group, bool a_zero) {
  if (m < 1 || n < 1 || k < 1) return "M, N and K must be at least 1";
  const int longest = a_zero ? kLargestExactKWithZero : kLargestExactK;
  if (kernel.operands.integer() && k > longest) {
    return "K=" + std::to_string(k) + " exceeds " + std::to_string(longest) +
           ", the largest with which int32 cannot overflow; split K and add the parts";
  }
  if (group != 0 && kernel.operands.groups == GroupScale::kNone) return "has no scales a group of K; take another kernel";
  if (const std::string reason = illegal_weights(kernel, k, group, a_zero); !reason.empty()) return reason;
  const std::int64_t blocks = std::int64_t{ceil_divide(m, kernel.tile.block_m)} * ceil_divide(n, kernel.tile.block_n);
  if (blocks > INT_MAX) return std::to_string(blocks) + " tiles exceed the largest grid; take a larger tile or split M";
  return {};
}

bool runs_on(const GemmTile& tile, int architecture) {
  return tile.shared_bytes <= shared_limit(architecture) && (architecture == 90 || !tile.needs_sm90a);
}

}  // namespace immabench
