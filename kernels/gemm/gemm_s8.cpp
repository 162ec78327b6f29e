#include <gemm/gemm_s8.hpp>

#include <climits>
#include <utility>
#include <vector>

#include <gemm/imma_s8_instances.hpp>

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

std::string make_id(const ImmaTile& tile) {
  const auto x = [](int a, int b) { return std::to_string(a) + "x" + std::to_string(b); };
  return "imma_s8s8s32_" + x(tile.block_m, tile.block_n) + "x" + std::to_string(tile.block_k) + "_w" +
         x(tile.warps_m, tile.warps_n) + "_s" + std::to_string(tile.stages) + "_sm80";
}

template <int... kShard>
std::vector<GemmS8Kernel> make_kernels(std::integer_sequence<int, kShard...>) {
  EmulateGemmS8 emulate[kImmaTileCount] = {};
  LaunchGemmS8 launch[kImmaTileCount] = {};
  (fill_emulated<kShard>(emulate), ...);
#if defined(IMMABENCH_CUDA)
  (fill_cuda<kShard>(launch), ...);
#endif
  std::vector<GemmS8Kernel> kernels;
  for (int i = 0; i < kImmaTileCount; ++i) kernels.push_back({make_id(kImmaTiles[i]), kImmaTiles[i], emulate[i], launch[i]});
  return kernels;
}

}  // namespace

std::span<const GemmS8Kernel> gemm_s8_kernels() {
  static const auto kernels = make_kernels(std::make_integer_sequence<int, IMMABENCH_SHARDS>{});
  return kernels;
}

std::string illegal_reason(const ImmaTile& tile, int m, int n, int k) {
  if (m < 1 || n < 1 || k < 1) return "M, N and K must be at least 1";
  if (k > kLargestExactK) {
    return "K=" + std::to_string(k) + " exceeds " + std::to_string(kLargestExactK) +
           ", the largest with which int32 cannot overflow; split K and add the parts";
  }
  const std::int64_t blocks = std::int64_t{ceil_divide(m, tile.block_m)} * ceil_divide(n, tile.block_n);
  if (blocks > INT_MAX) return std::to_string(blocks) + " tiles exceed the largest grid; take a larger tile or split M";
  return {};
}

bool runs_on(const ImmaTile& tile, int architecture) { return tile.shared_bytes() <= shared_limit(architecture); }

}  // namespace immabench
