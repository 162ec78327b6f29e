// The tile configurations of the GEMM by mma.sync, a table a family, and the one rule that says which are valid.
#pragma once
#include <cstdint>
#include <iterator>
#include <type_traits>

namespace immabench {

#if defined(__CUDACC__)
#define IMMABENCH_CONSTEXPR __host__ __device__ constexpr
#else
#define IMMABENCH_CONSTEXPR constexpr
#endif

IMMABENCH_CONSTEXPR int ceil_divide(int a, int b) { return a / b + (a % b != 0); }

// What a tile needs to know of its operands.
struct MmaWidths {
  int a_bits, b_bits;     // of an element
  int mma_k;              // elements of K that one instruction multiplies
  int group_bytes = 0;    // parameters of a group of K and column in a stage, which has room for kGroupSteps groups
  bool two_sums = false;  // a sum of the group beside that of all groups
  bool only_128 = false;  // block_k is kGroupTileK
};

// Groups of K that have parameters of their own are 32, 64 or 128 elements: tiles of 128 hold whole ones, 4 steps of 32.
constexpr int kGroupTileK = 128, kGroupSteps = 4;
constexpr int kAffineBytes = 2, kScaleBytes = 4, kFloatAffineBytes = 4;  // of a group's parameters

constexpr MmaWidths w4a8_widths(bool affine, bool float_sums) {
  return {.a_bits = 8,
          .b_bits = 4,
          .mma_k = 32,
          .group_bytes = (affine ? kAffineBytes : 0) + (float_sums ? kScaleBytes : 0),
          .two_sums = float_sums,
          .only_128 = true};
}

// Of weights that become 16-bit floats: those of 4 bits have groups.
constexpr MmaWidths dequantized_widths(int weight_bits) {
  const bool grouped = weight_bits == 4;
  return {
      .a_bits = 16, .b_bits = weight_bits, .mma_k = 16, .group_bytes = grouped ? kFloatAffineBytes : 0, .only_128 = grouped};
}

// Of operands that the instruction takes as they lie in memory: it multiplies 32 bytes of every row.
constexpr MmaWidths row_major_widths(int bits) { return {.a_bits = bits, .b_bits = bits, .mma_k = 256 / bits}; }

constexpr int kStreamK = 0;

// Sizes in elements; `warps_m` x `warps_n` warps share the block tile; `stages` K tiles are in flight or in use.
struct MmaTile {
  int block_m, block_n, block_k;
  int warps_m, warps_n;
  int stages;
  int split_k = 1;  // blocks that share a tile, each a part of K; kStreamK deals out all tiles' K to as many as run at once

  IMMABENCH_CONSTEXPR bool shares_tiles() const { return split_k != 1; }
  IMMABENCH_CONSTEXPR int warp_m() const { return block_m / warps_m; }
  IMMABENCH_CONSTEXPR int warp_n() const { return block_n / warps_n; }
  IMMABENCH_CONSTEXPR int threads() const { return 32 * warps_m * warps_n; }
  // Blocks a multiprocessor has room for at least: 0 leaves that to the compiler. Of long kernels it would rather spill than
  // have one of them alone.
  IMMABENCH_CONSTEXPR int blocks_beside() const { return shares_tiles() ? 1 : 0; }
  IMMABENCH_CONSTEXPR int steps(const MmaWidths& widths) const { return block_k / widths.mma_k; }
  // A stage holds A, B, and what parameters of groups there are.
  IMMABENCH_CONSTEXPR int a_row_bytes(const MmaWidths& widths) const { return block_k * widths.a_bits / 8; }
  IMMABENCH_CONSTEXPR int a_bytes(const MmaWidths& widths) const { return block_m * a_row_bytes(widths); }
  IMMABENCH_CONSTEXPR int b_bytes(const MmaWidths& widths) const { return block_n * block_k * widths.b_bits / 8; }
  IMMABENCH_CONSTEXPR int stage_bytes(const MmaWidths& widths) const {
    return a_bytes(widths) + b_bytes(widths) + kGroupSteps * block_n * widths.group_bytes;
  }
  // The epilogue's slabs (16 rows of 4-byte sums a warp) use the stages again.
  IMMABENCH_CONSTEXPR int slab_bytes() const { return warps_m * 16 * block_n * 4; }
  IMMABENCH_CONSTEXPR int shared_bytes(const MmaWidths& widths) const {
    return stages * stage_bytes(widths) > slab_bytes() ? stages * stage_bytes(widths) : slab_bytes();
  }

  // Why this tile cannot be built, or null.
  constexpr const char* invalid_reason(const MmaWidths& widths) const {
    if (a_row_bytes(widths) != 64 && a_row_bytes(widths) != 128 && a_row_bytes(widths) != 256)
      return "block_k must make rows of A of 64, 128 or 256 bytes: whole swizzled rows, an even number of steps";
    if (block_m % (16 * warps_m)) return "a warp tile must be a multiple of 16 rows (mma.m16n8)";
    if (block_n % (16 * warps_n)) return "a warp tile must be a multiple of 16 columns (fragments of B come in pairs)";
    if (warp_n() != 16 && warp_n() != 32 && warp_n() != 64 && warp_n() != 128)
      return "warp_n must be 16, 32, 64 or 128: whole lanes a row in the epilogue";
    if (widths.only_128 && block_k != kGroupTileK)
      return "block_k must be 128: whole groups of K, and of packed weights two blocks";
    if (warp_m() * warp_n() * (widths.two_sums ? 2 : 1) > 64 * 64)
      return "more than 128 accumulator registers a thread leave too few for the rest";
    if (split_k < 0 || split_k > 16) return "K is split in 2 to 16 parts, or streamed";
    if (shares_tiles() && widths.two_sums) return "fp32 sums of groups are added in order: K is not split";
    if (widths.group_bytes && block_n > threads())
      return "every column takes a thread: a chunk of each array of group parameters is copied at once";
    if (threads() > 1024) return "a block has at most 1024 threads";
    if (stages < 2 || stages > 5) return "2 to 5 stages";
    if (shared_bytes(widths) > 227 * 1024) return "a block has at most 227 KB of shared memory (sm_90)";
    return nullptr;
  }
};

// Blocks to launch: one a tile; `split_k` a tile; or, where all K is streamed, as many as run at once and have work.
constexpr int grid_blocks(int split_k, int shared_bytes, int tiles, int k_tiles, int multiprocessors) {
  if (split_k != kStreamK) return tiles * (split_k < k_tiles ? split_k : k_tiles);
  constexpr int kSharedOfSmallest = 99 * 1024;  // of a multiprocessor, among the architectures there is code for
  const int resident = kSharedOfSmallest / shared_bytes;
  const std::int64_t at_once = std::int64_t{multiprocessors} * (resident > 1 ? resident : 1);
  return int(std::int64_t{tiles} * k_tiles < at_once ? std::int64_t{tiles} * k_tiles : at_once);
}

// A tile as a type, for kernels to be instantiated with: nvcc mangles integers into kernel names, class-typed parameters it
// does not. The integers are what ties a SASS listing to a configuration.
template <int kBlockM, int kBlockN, int kBlockK, int kWarpsM, int kWarpsN, int kStages, int kSplitK = 1>
struct MmaConfig {
  static constexpr MmaTile tile{kBlockM, kBlockN, kBlockK, kWarpsM, kWarpsN, kStages, kSplitK};
};

// ---- the tables, one line a configuration. Small M first: few rows want many columns and deep pipelines; large tiles re-use
// operands most.

struct S8Tiles {
  static constexpr MmaWidths widths = row_major_widths(8);
  static constexpr MmaTile tiles[] = {
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
      // Of few tiles every one has several blocks.
      {.block_m = 16, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5, .split_k = 4},
      {.block_m = 16, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4, .split_k = kStreamK},
      {.block_m = 48, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4, .split_k = kStreamK},
      {.block_m = 160, .block_n = 64, .block_k = 128, .warps_m = 2, .warps_n = 4, .stages = 3, .split_k = kStreamK},
      {.block_m = 128, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 4, .stages = 3, .split_k = 2},
      {.block_m = 128, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 4, .stages = 3, .split_k = kStreamK},
  };
};

struct S4Tiles {
  static constexpr MmaWidths widths = row_major_widths(4);
  static constexpr MmaTile tiles[] = {
      {.block_m = 16, .block_n = 64, .block_k = 256, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 32, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 64, .block_n = 128, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 4},
      {.block_m = 128, .block_n = 128, .block_k = 256, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 128, .block_n = 256, .block_k = 128, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 144, .block_n = 64, .block_k = 128, .warps_m = 3, .warps_n = 2, .stages = 3},
      {.block_m = 48, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5, .split_k = 4},
  };
};

struct B1Tiles {
  static constexpr MmaWidths widths = row_major_widths(1);
  static constexpr MmaTile tiles[] = {
      {.block_m = 16, .block_n = 64, .block_k = 1024, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 64, .block_n = 64, .block_k = 1024, .warps_m = 2, .warps_n = 2, .stages = 3},
      {.block_m = 128, .block_n = 128, .block_k = 512, .warps_m = 2, .warps_n = 2, .stages = 4},
      {.block_m = 128, .block_n = 256, .block_k = 512, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 48, .block_n = 128, .block_k = 1024, .warps_m = 1, .warps_n = 4, .stages = 4, .split_k = 4},
      {.block_m = 144, .block_n = 64, .block_k = 1024, .warps_m = 3, .warps_n = 2, .stages = 3, .split_k = kStreamK},
  };
};

// Of 4-bit weights and int8 activations: B = s4 or u4, with int32 sums, whose tiles may be shared,
struct W4A8IntTileList {
  static constexpr MmaTile tiles[] = {
      {.block_m = 16, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 16, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 32, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4},
      {.block_m = 64, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4},
      {.block_m = 128, .block_n = 128, .block_k = 128, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 48, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 3, .split_k = kStreamK},
  };
};
// or with float sums, whose may not: sizes between the others instead.
struct W4A8FloatTileList {
  static constexpr MmaTile tiles[] = {
      {.block_m = 16, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 16, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 32, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4},
      {.block_m = 48, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 3},
      {.block_m = 64, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4},
      {.block_m = 80, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 128, .block_n = 128, .block_k = 128, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 144, .block_n = 64, .block_k = 128, .warps_m = 3, .warps_n = 2, .stages = 3},
  };
};
template <bool kAffine, bool kFloat>
struct W4A8Tiles : std::conditional_t<kFloat, W4A8FloatTileList, W4A8IntTileList> {
  static constexpr MmaWidths widths = w4a8_widths(kAffine, kFloat);
};

// Of weights that become f16 or bf16. Warps lie beside each other up to 64 rows, so that each weight is unpacked once.
struct W4A16TileList {
  static constexpr MmaWidths widths = dequantized_widths(4);
  static constexpr MmaTile tiles[] = {
      {.block_m = 16, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 32, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4},
      {.block_m = 64, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 3},
      {.block_m = 80, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 2},
      {.block_m = 80, .block_n = 128, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 2},
      {.block_m = 128, .block_n = 128, .block_k = 128, .warps_m = 2, .warps_n = 4, .stages = 2},
      {.block_m = 16, .block_n = 256, .block_k = 128, .warps_m = 1, .warps_n = 8, .stages = 4, .split_k = kStreamK},
  };
};
template <bool kBF16>
struct W4A16Tiles : W4A16TileList {};

struct W8A16TileList {
  static constexpr MmaWidths widths = dequantized_widths(8);
  static constexpr MmaTile tiles[] = {
      {.block_m = 16, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 5},
      {.block_m = 64, .block_n = 128, .block_k = 64, .warps_m = 1, .warps_n = 4, .stages = 4},
      {.block_m = 128, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 48, .block_n = 128, .block_k = 64, .warps_m = 1, .warps_n = 4, .stages = 3, .split_k = kStreamK},
      {.block_m = 80, .block_n = 128, .block_k = 64, .warps_m = 1, .warps_n = 8, .stages = 5, .split_k = kStreamK},
  };
};
template <bool kBF16>
struct W8A16Tiles : W8A16TileList {};

// Of convolutions. Their K is long, and late layers of a network have few pixels.
struct ConvS8Tiles {
  static constexpr MmaWidths widths = row_major_widths(8);
  static constexpr MmaTile tiles[] = {
      {.block_m = 64, .block_n = 64, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 4},
      {.block_m = 128, .block_n = 64, .block_k = 64, .warps_m = 2, .warps_n = 2, .stages = 4},
      {.block_m = 128, .block_n = 128, .block_k = 64, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 32, .block_n = 64, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 4, .split_k = kStreamK},
      {.block_m = 64, .block_n = 64, .block_k = 128, .warps_m = 2, .warps_n = 2, .stages = 3, .split_k = kStreamK},
  };
};

struct ConvW4A8TileList {
  static constexpr MmaTile tiles[] = {
      {.block_m = 64, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4},
      {.block_m = 128, .block_n = 128, .block_k = 128, .warps_m = 2, .warps_n = 4, .stages = 3},
      {.block_m = 64, .block_n = 64, .block_k = 128, .warps_m = 1, .warps_n = 4, .stages = 4, .split_k = kStreamK},
  };
};
template <bool kAffine>
struct ConvW4A8Tiles : ConvW4A8TileList {
  static constexpr MmaWidths widths = w4a8_widths(kAffine, false);
};

template <class Table>
constexpr int kTileCount = int(std::size(Table::tiles));

template <class Table>
constexpr bool is_valid_table() {
  for (const MmaTile& tile : Table::tiles) {
    if (tile.invalid_reason(Table::widths)) return false;
  }
  return true;
}
static_assert(is_valid_table<S8Tiles>() && is_valid_table<S4Tiles>() && is_valid_table<B1Tiles>());
static_assert(is_valid_table<W4A8Tiles<false, false>>() && is_valid_table<W4A8Tiles<true, true>>());
static_assert(is_valid_table<W4A16TileList>() && is_valid_table<W8A16TileList>());
static_assert(is_valid_table<ConvS8Tiles>() && is_valid_table<ConvW4A8Tiles<true>>());

template <class Table, int kIndex>
using MmaConfigAt = MmaConfig<Table::tiles[kIndex].block_m, Table::tiles[kIndex].block_n, Table::tiles[kIndex].block_k,
                              Table::tiles[kIndex].warps_m, Table::tiles[kIndex].warps_n, Table::tiles[kIndex].stages,
                              Table::tiles[kIndex].split_k>;

}  // namespace immabench
