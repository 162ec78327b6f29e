// The tile configurations of the wgmma GEMM with packed weights, and the one rule that says which are valid.
#pragma once
#include <gemm/gemm.hpp>
#include <gemm/wgmma_tile.hpp>

namespace immabench {

// How weights become the register operand (parts/packed_weights.cuh).
enum class PackedFormat : int { kW4A8Channel, kW4A8Step, kW4A8Float, kW4F16, kW4BF16, kW8F16, kW8BF16 };

constexpr int kFragmentBytes = 512;     // of a block of 16 rows of fragment-major weights
constexpr int kPackedElementBytes = 8;  // weights are copied by
constexpr int kGroupsAStage = 4;        // at most: of 32 elements of K

// Sizes in elements. 128 rows of weights a block, 64 for each of two consuming warpgroups, are the instruction's rows;
// `block_m` rows of activations are its N. `split_k` blocks of a cluster share one output tile.
struct WgmmaPackedTile {
  PackedFormat format;
  int block_m, split_k = 1, stages;
  int block_n = 128, block_k = 128, consumers = 2;
  int cluster_m = 1, cluster_n = 1;
  bool swapped = true;
  bool image = false;  // activations are patches of images

  IMMABENCH_CONSTEXPR int cluster_rows() const { return 1; }
  IMMABENCH_CONSTEXPR int cluster_columns() const { return 1; }
  IMMABENCH_CONSTEXPR int cluster() const { return split_k; }
  IMMABENCH_CONSTEXPR int consumer_rows() const { return block_n / consumers; }
  IMMABENCH_CONSTEXPR int threads() const { return (consumers + 1) * kWarpgroupThreads; }

  IMMABENCH_CONSTEXPR bool floats() const { return format >= PackedFormat::kW4F16; }
  IMMABENCH_CONSTEXPR int activation_bytes() const { return floats() ? 2 : 1; }
  IMMABENCH_CONSTEXPR int weight_bits() const { return format >= PackedFormat::kW8F16 ? 8 : 4; }
  IMMABENCH_CONSTEXPR bool grouped() const { return format != PackedFormat::kW4A8Channel && weight_bits() == 4; }
  IMMABENCH_CONSTEXPR bool float_groups() const { return format == PackedFormat::kW4A8Float; }
  // Of a group's float scale and of its affine word, of a row.
  IMMABENCH_CONSTEXPR int scale_bytes() const { return float_groups() ? 4 : 0; }
  IMMABENCH_CONSTEXPR int affine_bytes() const { return grouped() ? (floats() ? 4 : 2) : 0; }

  // A swizzled line of a row of activations, and how many of them it takes. Of images it is of 64 channels, which networks have
  // multiples of, and a stage may end one tap of the filter and begin the next.
  IMMABENCH_CONSTEXPR int line_bytes() const { return image ? 64 : kWgmmaRowBytes; }
  IMMABENCH_CONSTEXPR int lines() const { return block_k * activation_bytes() / line_bytes(); }
  IMMABENCH_CONSTEXPR int activations_bytes() const { return lines() * block_m * line_bytes(); }
  // Of 16 rows of weights, fragment-major: blocks of 512 bytes beside each other.
  IMMABENCH_CONSTEXPR int weight_row_bytes() const { return 16 * block_k * weight_bits() / 8; }
  IMMABENCH_CONSTEXPR int weights_bytes() const { return block_n / 16 * weight_row_bytes(); }
  IMMABENCH_CONSTEXPR int copied_bytes() const { return activations_bytes() + weights_bytes(); }
  IMMABENCH_CONSTEXPR int scales_bytes() const { return kGroupsAStage * scale_bytes() * block_n; }
  // Stages start on 1024 bytes, as swizzled lines must.
  IMMABENCH_CONSTEXPR int stage_bytes() const {
    return (copied_bytes() + scales_bytes() + kGroupsAStage * affine_bytes() * block_n + 1023) / 1024 * 1024;
  }
  // The gathered tile takes the place of the stages (parts/gathered_epilogue.cuh).
  IMMABENCH_CONSTEXPR int gather_bytes() const { return block_m * (block_n + 4) * 4; }
  IMMABENCH_CONSTEXPR int ring_bytes() const {
    const int ring = stages * stage_bytes();
    return ring > gather_bytes() ? ring : gather_bytes();
  }
  IMMABENCH_CONSTEXPR int shared_bytes() const { return 1024 + ring_bytes() + 2 * stages * 8; }

  // Of the 384 threads x 168 registers the block starts with: few for who only asks for copies, the rest for sums and two sets
  // of fragments.
  IMMABENCH_CONSTEXPR int producer_registers() const { return 40; }
  IMMABENCH_CONSTEXPR int consumer_registers() const { return 232; }

  // Why this tile cannot be built, or null.
  constexpr const char* invalid_reason() const {
    if (block_n != kWgmmaM * consumers || consumers != 2) return "two consumers of 64 rows of weights each";
    if (block_k != 128) return "block_k must be 128: whole blocks of weights and whole lines of activations";
    if (block_m % 8 || block_m > 256 || (block_m > 24 && block_m % 16)) return "N of wgmma is 8, 24 or a multiple of 16";
    if (float_groups() && block_m > 144) return "sums of a group and of all need registers: at most 144 rows of activations";
    if (image && (floats() || float_groups())) return "images are int8, and sums of their products integers";
    if (float_groups() && split_k > 1) return "fp32 sums of groups are added in order: K is not split";
    if (split_k > 8 || split_k < 1) return "a portable cluster has at most 8 blocks";
    if (!can_exchange(threads(), producer_registers(), consumer_registers()))
      return "warpgroups take more registers than the block begins with";
    if (stages < 2 || stages > 12) return "2 to 12 stages";
    if (shared_bytes() > 227 * 1024) return "a block has at most 227 KB of shared memory";
    return nullptr;
  }
};

// A tile as a type; see ImmaConfig.
template <int kFormat, int kBlockM, int kSplitK, int kStages, bool kImage>
struct WgmmaPackedConfig {
  static constexpr WgmmaPackedTile tile{
      .format = PackedFormat(kFormat), .block_m = kBlockM, .split_k = kSplitK, .stages = kStages, .image = kImage};
  static_assert(tile.invalid_reason() == nullptr);
};

// One line a configuration. 4.8 TB/s (the data sheet of an H200) over 132 multiprocessors need 36 KB in flight for each
// microsecond of latency: 12 stages of 8 KiB of weights cover 2.7 of them. Larger tiles have as many stages as fit. Sizes lie
// between the powers of two too, so that row 17, 33, 65 or 129 does not double the work (docs/methodology.md).
constexpr WgmmaPackedTile kWgmmaPackedTiles[] = {
    {.format = PackedFormat::kW4A8Channel, .block_m = 8, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4A8Channel, .block_m = 24, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4A8Channel, .block_m = 48, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4A8Channel, .block_m = 80, .split_k = 2, .stages = 12},
    {.format = PackedFormat::kW4A8Channel, .block_m = 128, .stages = 8},
    {.format = PackedFormat::kW4A8Channel, .block_m = 160, .stages = 8},
    {.format = PackedFormat::kW4A8Channel, .block_m = 256, .stages = 5},
    {.format = PackedFormat::kW4A8Step, .block_m = 8, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4A8Step, .block_m = 24, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4A8Step, .block_m = 48, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4A8Step, .block_m = 80, .split_k = 2, .stages = 11},
    {.format = PackedFormat::kW4A8Step, .block_m = 128, .stages = 8},
    {.format = PackedFormat::kW4A8Step, .block_m = 160, .stages = 7},
    {.format = PackedFormat::kW4A8Step, .block_m = 256, .stages = 5},
    {.format = PackedFormat::kW4A8Float, .block_m = 8, .stages = 12},
    {.format = PackedFormat::kW4A8Float, .block_m = 24, .stages = 12},
    {.format = PackedFormat::kW4A8Float, .block_m = 80, .stages = 10},
    {.format = PackedFormat::kW4A8Float, .block_m = 128, .stages = 8},
    {.format = PackedFormat::kW4A8Float, .block_m = 144, .stages = 7},
    {.format = PackedFormat::kW4F16, .block_m = 8, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4F16, .block_m = 24, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4F16, .block_m = 48, .split_k = 2, .stages = 10},
    {.format = PackedFormat::kW4F16, .block_m = 80, .stages = 7},
    {.format = PackedFormat::kW4F16, .block_m = 80, .split_k = 2, .stages = 7},
    {.format = PackedFormat::kW4F16, .block_m = 128, .stages = 5},
    {.format = PackedFormat::kW4BF16, .block_m = 8, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4BF16, .block_m = 24, .split_k = 4, .stages = 12},
    {.format = PackedFormat::kW4BF16, .block_m = 48, .split_k = 2, .stages = 10},
    {.format = PackedFormat::kW4BF16, .block_m = 80, .stages = 7},
    {.format = PackedFormat::kW4BF16, .block_m = 80, .split_k = 2, .stages = 7},
    {.format = PackedFormat::kW4BF16, .block_m = 128, .stages = 5},
    {.format = PackedFormat::kW8F16, .block_m = 24, .split_k = 4, .stages = 10},
    {.format = PackedFormat::kW8F16, .block_m = 80, .split_k = 2, .stages = 6},
    {.format = PackedFormat::kW8F16, .block_m = 128, .stages = 4},
    {.format = PackedFormat::kW8F16, .block_m = 160, .stages = 4},
    {.format = PackedFormat::kW8BF16, .block_m = 24, .split_k = 4, .stages = 10},
    {.format = PackedFormat::kW8BF16, .block_m = 80, .split_k = 2, .stages = 6},
    {.format = PackedFormat::kW8BF16, .block_m = 128, .stages = 4},
    {.format = PackedFormat::kW8BF16, .block_m = 160, .stages = 4},
    {.format = PackedFormat::kW4A8Channel, .block_m = 48, .split_k = 4, .stages = 12, .image = true},
    {.format = PackedFormat::kW4A8Channel, .block_m = 128, .stages = 8, .image = true},
    {.format = PackedFormat::kW4A8Channel, .block_m = 256, .stages = 5, .image = true},
    {.format = PackedFormat::kW4A8Step, .block_m = 48, .split_k = 4, .stages = 12, .image = true},
    {.format = PackedFormat::kW4A8Step, .block_m = 128, .stages = 8, .image = true},
    {.format = PackedFormat::kW4A8Step, .block_m = 256, .stages = 5, .image = true},
};
constexpr int kWgmmaPackedTileCount = sizeof(kWgmmaPackedTiles) / sizeof(kWgmmaPackedTiles[0]);

template <int kIndex>
using WgmmaPackedConfigAt =
    WgmmaPackedConfig<int(kWgmmaPackedTiles[kIndex].format), kWgmmaPackedTiles[kIndex].block_m,
                      kWgmmaPackedTiles[kIndex].split_k, kWgmmaPackedTiles[kIndex].stages, kWgmmaPackedTiles[kIndex].image>;

}  // namespace immabench
