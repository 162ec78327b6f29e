// The tile configurations of the IMMA INT8 GEMM, and the one rule that says which are valid and where.
#pragma once
#include <cstdint>

namespace immabench {

#if defined(__CUDACC__)
#define IMMABENCH_CONSTEXPR __host__ __device__ constexpr
#else
#define IMMABENCH_CONSTEXPR constexpr
#endif

IMMABENCH_CONSTEXPR int ceil_divide(int a, int b) { return a / b + (a % b != 0); }

// Sizes in elements (of 8 bits); `warps_m` x `warps_n` warps share the block tile; `stages` K tiles are in flight or in use.
struct ImmaTile {
  int block_m, block_n, block_k;
  int warps_m, warps_n;
  int stages;

  IMMABENCH_CONSTEXPR int warp_m() const { return block_m / warps_m; }
  IMMABENCH_CONSTEXPR int warp_n() const { return block_n / warps_n; }
  IMMABENCH_CONSTEXPR int threads() const { return 32 * warps_m * warps_n; }
  IMMABENCH_CONSTEXPR int stage_bytes() const { return (block_m + block_n) * block_k; }
  // The epilogue's slabs (16 rows of int32 a warp) use the stages again.
  IMMABENCH_CONSTEXPR int slab_bytes() const { return warps_m * 16 * block_n * 4; }
  IMMABENCH_CONSTEXPR int shared_bytes() const {
    return stages * stage_bytes() > slab_bytes() ? stages * stage_bytes() : slab_bytes();
  }

  // Why this tile cannot be built, or null.
  constexpr const char* invalid_reason() const {
    if (block_k != 64 && block_k != 128 && block_k != 256)
      return "block_k must be 64, 128 or 256: whole swizzled rows, an even number of steps";
    if (block_m % (16 * warps_m)) return "a warp tile must be a multiple of 16 rows (mma.m16n8k32)";
    if (block_n % (16 * warps_n)) return "a warp tile must be a multiple of 16 columns (ldmatrix.x4 loads two mma tiles of B)";
    if (warp_n() != 16 && warp_n() != 32 && warp_n() != 64 && warp_n() != 128)
      return "warp_n must be 16, 32, 64 or 128: whole lanes a row in the epilogue";
    if (warp_m() * warp_n() > 64 * 64) return "more than 128 accumulator registers a thread leave too few for the rest";
    if (threads() > 1024) return "a block has at most 1024 threads";
    if (stages < 2 || stages > 5) return "2 to 5 stages";
    if (shared_bytes() > 227 * 1024) return "a block has at most 227 KB of shared memory (sm_90)";
    return nullptr;
  }
};

// A tile as a type, for kernels to be instantiated with: nvcc mangles integers into kernel names, class-typed parameters it
// does not. The integers are what ties a SASS listing to a configuration.
template <int kBlockM, int kBlockN, int kBlockK, int kWarpsM, int kWarpsN, int kStages>
struct ImmaConfig {
  static constexpr ImmaTile tile{kBlockM, kBlockN, kBlockK, kWarpsM, kWarpsN, kStages};
  static_assert(tile.invalid_reason() == nullptr);
};

// One line a configuration. Small M first: few rows want many columns and deep pipelines; large tiles re-use operands most.
constexpr ImmaTile kImmaTiles[] = {
    {.block_m = 16, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5},
    {.block_m = 16, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4},
    {.block_m = 32, .block_n = 64, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 4},
    {.block_m = 32, .block_n = 128, .block_k = 64, .warps_m = 1, .warps_n = 4, .stages = 5},
    {.block_m = 64, .block_n = 64, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 4},
    {.block_m = 64, .block_n = 64, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 3},
    {.block_m = 64, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 4},
    {.block_m = 128, .block_n = 64, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 4},
    {.block_m = 128, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 4, .stages = 3},
    {.block_m = 128, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 4},
    {.block_m = 128, .block_n = 128, .block_k = 128, .warps_m = 2, .warps_n = 4, .stages = 2},
    {.block_m = 128, .block_n = 256, .block_k = 64, .warps_m = 2, .warps_n = 4, .stages = 3},
    {.block_m = 256, .block_n = 128, .block_k = 64, .warps_m = 4, .warps_n = 2, .stages = 3},
};
constexpr int kImmaTileCount = sizeof(kImmaTiles) / sizeof(kImmaTiles[0]);

template <int kIndex>
using ImmaConfigAt = ImmaConfig<kImmaTiles[kIndex].block_m, kImmaTiles[kIndex].block_n, kImmaTiles[kIndex].block_k,
                                kImmaTiles[kIndex].warps_m, kImmaTiles[kIndex].warps_n, kImmaTiles[kIndex].stages>;

}  // namespace immabench
