#include <gemm/gemm.hpp>

#include <climits>
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

std::string make_id(const std::string& types, const MmaTile& tile) {
  return types + "_" + by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" +
         by(tile.warps_m, tile.warps_n) + "_s" + std::to_string(tile.stages) + "_sm80";
}

std::string make_id(const WgmmaTile& tile) {
  std::string id = "wgmma_s8s8s32_" + by(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" +
                   std::to_string(tile.consumers);
  if (tile.cluster_m * tile.cluster_n > 1) id += "_c" + by(tile.cluster_m, tile.cluster_n);
  if (tile.split_k > 1) id += "_k" + std::to_string(tile.split_k);
  return id + "_s" + std::to_string(tile.stages) + (tile.swapped ? "_swap" : "") + "_sm90a";
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
          .shared_bytes = tile.shared_bytes(widths)};
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

template <int... kShard>
void append_wgmma(std::vector<GemmKernel>& kernels, std::integer_sequence<int, kShard...>) {
  EmulateGemm emulate[kWgmmaTileCount] = {};
  LaunchGemm launch[kWgmmaTileCount] = {};
  (fill_wgmma_emulated<kShard>(emulate), ...);
#if defined(IMMABENCH_CUDA)
  (fill_wgmma_cuda<kShard>(launch), ...);
#endif
  for (int i = 0; i < kWgmmaTileCount; ++i) {
    kernels.push_back({make_id(kWgmmaTiles[i]), "gemm_s8", GemmOperands{}, describe(kWgmmaTiles[i]), emulate[i], launch[i]});
  }
}

std::vector<GemmKernel> make_kernels() {
  constexpr auto kShards = std::make_integer_sequence<int, IMMABENCH_SHARDS>{};
  std::vector<GemmKernel> kernels;
  append_mma<S8Tiles>(kernels, "imma_s8s8s32", "gemm_s8", GemmOperands{}, kShards);
  append_wgmma(kernels, kShards);
  return kernels;
}

}  // namespace

std::span<const GemmKernel> gemm_kernels() {
  static const auto kernels = make_kernels();
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
  const std::int64_t blocks = std::int64_t{ceil_divide(m, kernel.tile.block_m)} * ceil_divide(n, kernel.tile.block_n);
  if (blocks > INT_MAX) return std::to_string(blocks) + " tiles exceed the largest grid; take a larger tile or split M";
  return {};
}

bool runs_on(const GemmTile& tile, int architecture) {
  return tile.shared_bytes <= shared_limit(architecture) && (architecture == 90 || !tile.needs_sm90a);
}

}  // namespace immabench
