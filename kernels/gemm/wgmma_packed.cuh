// GEMM and convolution with packed weights for sm_90a: weights stay packed in global and shared memory, and become wgmma's
// register operand.
//
//   sum[M,N] = A[M,K] . W[N,K]^T     A int8, f16 or bf16, K-major; W of 4 or 8 bits, fragment-major (docs/numerics.md)
//   out[M,N] = epilogue(sum)         parts/epilogue.cuh; sums are int32 or fp32
//
// The instruction's 64 rows are weights (columns of the output), its N are rows of A, from swizzled shared memory. A block is a
// producing and two consuming warpgroups around a ring of stages of 128 elements of K (parts/stage_ring.cuh):
//
//   producer, one thread          a stage                                    consumer, 64 rows of weights
//   boxes of activations,    [ activations  block_m x 128 ]  descriptor --->  wgmma  <--- fragments[0] [1]
//   of weights, of scales    [ weights      128 x 128     ]  16 bytes a lane --> unpack -----^
//   and affine words         [ parameters   <= 4 groups   ]  of the lane's two rows
//
// While one half of a stage is multiplied the other is unpacked into the other set of registers. A stage is full when its boxes
// have landed, empty when each of the 8 consuming warps has read it. Weights of 16 rows are one piece of memory along K, so
// that all of a stage's are one box of a tensor map; so are the parameters of its groups, whose rows are padded to 16 columns.
//
// Activations (parts/activation_lines.cuh) are a matrix, or int8 images of multiples of 64 channels, which im2col tensor maps
// walk over. Formats (parts/packed_weights.cuh) say how codes become operands. Where a float scales each group of integers
// (kFloatGroups), the int32 sum of a group is exact, and sums[..] += f32(sum of group) * scale in ascending order of groups.
//
// split_k: the blocks of a cluster each take a part of K; sums meet through distributed shared memory.
//
// Needs rows of A, and the other operands, on 16 bytes, as tensor maps do; any M and N. Groups of 32, 64 or 128 elements of K,
// or, where sums stay integers, one of all of K. Inspect: `immabench emulate ID --shape MxNxK`.
#pragma once
#include <gemm/gemm_call.cuh>
#include <gemm/wgmma_packed_tile.hpp>
#include <gemm/wgmma_work.cuh>
#include <parts/activation_lines.cuh>
#include <parts/packed_weights.cuh>
#include <parts/stage_ring.cuh>
#include <simt/simt.cuh>
#include <tensor_maps.hpp>
#include <type_traits>

namespace immabench::inline SIMT_TARGET {

template <class Activations>
struct WgmmaPackedParameters {
  typename Activations::View view;
  simt::TensorMap activations{}, weights{}, scales{}, affine{};
  EpilogueParameters epilogue;
  int k, group;     // 0 without groups
  simt::u32 magic;  // kMagic of the format
};

namespace detail {
template <PackedFormat kFormat>
struct FormatOf;
template <>
struct FormatOf<PackedFormat::kW4A8Channel> : std::type_identity<W4A8Channel> {};
template <>
struct FormatOf<PackedFormat::kW4A8Step> : std::type_identity<W4A8Step> {};
template <>
struct FormatOf<PackedFormat::kW4A8Float> : std::type_identity<W4A8Float> {};
template <>
struct FormatOf<PackedFormat::kW4F16> : std::type_identity<W4F16> {};
template <>
struct FormatOf<PackedFormat::kW4BF16> : std::type_identity<W4BF16> {};
template <>
struct FormatOf<PackedFormat::kW8F16> : std::type_identity<W8F16> {};
template <>
struct FormatOf<PackedFormat::kW8BF16> : std::type_identity<W8BF16> {};
}  // namespace detail

template <class Config>
using ActivationLines = std::conditional_t<Config::tile.image, ImageLines, MatrixLines>;

template <class Config>
class WgmmaPackedBlock {
  using Activations = ActivationLines<Config>;
  using Parameters = WgmmaPackedParameters<Activations>;

 public:
  SIMT_DEVICE explicit WgmmaPackedBlock(const Parameters& p)
      : p_(p),
        work_(p.epilogue.m, p.epilogue.n, ceil_divide(p.k, kTile.block_k)),
        stages_((simt::shared_base() + 1023) & ~1023u),
        ring_{stages_ + simt::u32(kTile.ring_bytes())} {}

  SIMT_DEVICE void run() {
    if (simt::thread_index() == 0) ring_.initialise(1, 4 * kTile.consumers);
    Work::synchronise_cluster();
    const int warpgroup = int(simt::warp_index()) / 4;
    if (warpgroup == 0)
      produce();
    else
      consume(warpgroup - 1);
    Work::leave();
  }

 private:
  static constexpr WgmmaPackedTile kTile = Config::tile;
  using Work = WgmmaWork<Config>;
  using Format = typename detail::FormatOf<kTile.format>::type;
  using Operand = typename Format::Operand;
  using Position = RingPosition<kTile.stages>;
  static constexpr bool kGrouped = Format::kAffineBytes > 0;
  static_assert(Format::kScaleBytes == kTile.scale_bytes() && Format::kAffineBytes == kTile.affine_bytes());
  // Instructions a block of weights, and a stage; K of an instruction in bytes of A. Half a stage is unpacked while the other
  // half is multiplied.
  static constexpr int kSteps = Format::kSteps, kStepBytes = 32;
  static constexpr int kStageSteps = kTile.lines() * kTile.line_bytes() / kStepBytes, kHalf = kStageSteps / 2;
  static constexpr int kSums = kTile.block_m / 2;
  static_assert(kTile.weight_row_bytes() == kStageSteps / kSteps * kFragmentBytes && kHalf % kSteps == 0);
  using Sums = typename Format::Sum[1][kSums];

  SIMT_DEVICE simt::u32 activations(int stage) const { return stages_ + simt::u32(stage * kTile.stage_bytes()); }
  SIMT_DEVICE simt::u32 weights(int stage) const { return activations(stage) + simt::u32(kTile.activations_bytes()); }
  SIMT_DEVICE simt::u32 scales(int stage) const { return activations(stage) + simt::u32(kTile.copied_bytes()); }
  SIMT_DEVICE simt::u32 affine(int stage) const { return scales(stage) + simt::u32(kTile.scales_bytes()); }

  // ---------------------------------------------------------------- producer

  SIMT_DEVICE void produce() {
    simt::decrease_max_registers<kTile.producer_registers()>();
    if (simt::thread_index() == 0) {
      Position at;
      typename Activations::Walk lines(p_.view, work_.first_m(), work_.first_k * kTile.lines());
      for (int k = work_.first_k; k < work_.last_k; ++k, at.advance()) {
        ring_.await_empty(at);
        fetch_operands(lines, k, at.stage);
        if constexpr (kGrouped) fetch_groups(k, at.stage);
      }
    }
    Work::meet_parts();
  }

  SIMT_DEVICE void fetch_operands(typename Activations::Walk& lines, int k, int stage) const {
    const simt::u32 full = ring_.full(stage);
    simt::mbarrier_arrive_expect_tx(full, simt::u32(kTile.copied_bytes() + (kGrouped ? groups() * kGroupBytes : 0)));
    SIMT_UNROLL
    for (int line = 0; line < kTile.lines(); ++line, lines.advance())
      load_box(activations(stage) + simt::u32(line * kLineBytes), p_.activations, lines.place(), full);
    const int box[2] = {k * (kTile.weight_row_bytes() / kPackedElementBytes), work_.first_n() / 16};
    simt::tensor_load(weights(stage), p_.weights, box, full);
  }

  // Groups that begin in a stage, or the one that goes on through it.
  SIMT_DEVICE int groups() const { return p_.group == 32 ? kGroupsAStage : p_.group == 64 ? kGroupsAStage / 2 : 1; }

  SIMT_DEVICE void fetch_groups(int k, int stage) const {
    const int box[2] = {work_.first_n(), k * kTile.block_k / p_.group};
    if constexpr (Format::kScaleBytes > 0) simt::tensor_load(scales(stage), p_.scales, box, ring_.full(stage));
    simt::tensor_load(affine(stage), p_.affine, box, ring_.full(stage));
  }

  // ---------------------------------------------------------------- consumers

  SIMT_DEVICE void consume(int consumer) {
    simt::increase_max_registers<kTile.consumer_registers()>();
    Sums sums = {};
    if constexpr (kGrouped) {
      switch (p_.group) {
        case 32: multiply_by<kGroupsAStage>(consumer, sums); break;
        case 64: multiply_by<kGroupsAStage / 2>(consumer, sums); break;
        default: multiply_by<1>(consumer, sums);
      }
    } else {
      multiply<1>(consumer, sums);
    }
    gather(p_.epilogue, work_, stages_, consumer, sums);
  }

  template <int kGroups>
  SIMT_DEVICE void multiply_by(int consumer, Sums& sums) const {
    if constexpr (Format::kFloatGroups)
      multiply_groups<kGroups>(consumer, sums);
    else
      multiply<kGroups>(consumer, sums);
  }

  // Row r of this lane within the 128 of the block, and the lane's 16 bytes within a row of blocks.
  SIMT_DEVICE static int lane_row(int consumer) {
    return consumer * kWgmmaM + int(simt::warp_index()) % 4 * 16 + int(simt::lane_index()) / 4;
  }
  SIMT_DEVICE static simt::u32 lane_weights(int consumer) {
    const int row_block = consumer * (kWgmmaM / 16) + int(simt::warp_index()) % 4;
    return simt::u32(row_block * kTile.weight_row_bytes() + int(simt::lane_index()) * 16);
  }

  // Step `step` of the stage's K of the activations.
  SIMT_DEVICE simt::u64 descriptor(int stage, int step) const {
    constexpr int kLineSteps = kTile.line_bytes() / kStepBytes;
    const auto offset = simt::u32(step / kLineSteps * kLineBytes + step % kLineSteps * kStepBytes);
    return simt::matrix_descriptor(activations(stage) + offset,
                                   simt::swizzled_layout(simt::swizzle_of_span(kTile.line_bytes())));
  }

  // Each warp for itself: all of its lanes have what they read in registers.
  SIMT_DEVICE void let_go(int stage) const {
    simt::syncwarp();
    if (simt::lane_index() == 0) simt::mbarrier_arrive(ring_.empty(stage));
  }

  template <int kGroups>
  SIMT_DEVICE void multiply(int consumer, Sums& sums) const {
    constexpr int kGroupSteps = kStageSteps / kGroups;
    typename Format::Rows rows{p_.magic};
    simt::u32 fragments[2][kHalf][4];
    Position at, behind;
    simt::wgmma_fence(sums);
    for (int k = work_.first_k; k < work_.last_k; ++k, at.advance()) {
      ring_.await_full(at);
      SIMT_UNROLL
      for (int half = 0; half < 2; ++half) {
        unpack<kGroupSteps>(at.stage, consumer, half * kHalf, rows, fragments[half]);
        simt::wgmma_fence(fragments[half]);
        SIMT_UNROLL
        for (int step = 0; step < kHalf; ++step)
          simt::wgmma(Operand{}, Operand{}, sums[0], fragments[half][step], descriptor(at.stage, half * kHalf + step), true);
        simt::wgmma_commit();
        simt::wgmma_wait<1>(sums);  // the half before is done with the other set
        if (half == 0 && k > work_.first_k) {
          let_go(behind.stage);
          behind.advance();
        }
      }
    }
    simt::wgmma_wait<0>(sums);
    SIMT_UNROLL
    for (int i = 0; i < kSums; ++i) sums[0][i] = Format::finish(sums[0][i]);
  }

  // Weights of the stage's steps from `first` on, as many as `fragments` holds. A group begins every kGroupSteps.
  template <int kGroupSteps, int kCount>
  SIMT_DEVICE void unpack(int stage, int consumer, int first, typename Format::Rows& rows,
                          simt::u32 (&fragments)[kCount][4]) const {
    PackedWords words{};
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) {
      const int step = first + i;
      if (step % kGroupSteps == 0) load_rows(stage, consumer, step / kGroupSteps, rows);
      if (i == 0 || step % kSteps == 0)
        words =
            simt::load_shared<PackedWords>(weights(stage) + lane_weights(consumer) + simt::u32(step / kSteps * kFragmentBytes));
      Format::unpack(words, step % kSteps, rows, fragments[i]);
    }
  }
  SIMT_DEVICE void load_rows(int stage, int consumer, int group, typename Format::Rows& rows) const {
    rows.load({scales(stage) + simt::u32(group * kPackedRows * Format::kScaleBytes),
               affine(stage) + simt::u32(group * kPackedRows * Format::kAffineBytes), lane_row(consumer)});
  }

  // ---------------------------------------------------------------- float scales of groups

  // Units of a group, at most half a stage, take turns in two sets of registers. The int32 sums of a group are waited for
  // before they are scaled; meanwhile the other consumer multiplies.
  template <int kGroups>
  SIMT_DEVICE void multiply_groups(int consumer, Sums& sums) const {
    constexpr int kGroupSteps = kStageSteps / kGroups, kUnit = kGroupSteps < kHalf ? kGroupSteps : kHalf;
    typename Format::Rows rows{p_.magic};
    simt::i32 products[1][kSums] = {};
    simt::u32 fragments[2][kUnit][4];
    float scale[2] = {};
    Position at, behind;
    for (int k = work_.first_k; k < work_.last_k; ++k, at.advance()) {
      ring_.await_full(at);
      SIMT_UNROLL
      for (int first = 0; first < kStageSteps; first += kUnit) {
        simt::u32(&own)[kUnit][4] = fragments[first / kUnit % 2];
        unpack<kGroupSteps>(at.stage, consumer, first, rows, own);
        const bool new_group = first % kGroupSteps == 0;
        if (new_group) {
          simt::wgmma_wait<0>(products);
          if (first == 0 && k > work_.first_k) {
            let_go(behind.stage);
            behind.advance();
          }
          if (first > 0 || k > work_.first_k) promote(products, scale, sums);
          scale[0] = rows.scale[0], scale[1] = rows.scale[1];
          simt::wgmma_fence(products);
        }
        simt::wgmma_fence(own);
        SIMT_UNROLL
        for (int i = 0; i < kUnit; ++i)
          simt::wgmma(Operand{}, Operand{}, products[0], own[i], descriptor(at.stage, first + i), !new_group || i > 0);
        simt::wgmma_commit();
        simt::wgmma_wait<1>(products);
      }
    }
    simt::wgmma_wait<0>(products);
    if (work_.last_k > work_.first_k) promote(products, scale, sums);
  }

  // sums += products * scale, each step rounded.
  SIMT_DEVICE static void promote(const simt::i32 (&products)[1][kSums], const float (&scale)[2], Sums& sums) {
    SIMT_UNROLL
    for (int i = 0; i < kSums; ++i) {
      const float scaled = simt::multiply_rn(simt::to_float_rn(products[0][i]), scale[i / 2 % 2]);
      sums[0][i] = simt::add_rn(sums[0][i], scaled);
    }
  }

  static constexpr int kLineBytes = kTile.block_m * kTile.line_bytes();  // of one line of every row
  static constexpr int kGroupBytes = kPackedRows * (Format::kScaleBytes + Format::kAffineBytes);

  const Parameters& p_;
  const Work work_;
  const simt::u32 stages_;
  const StageRing<kTile.stages> ring_;
};

template <class Config>
SIMT_KERNEL_ALONE(Config::tile.threads())
wgmma_packed_kernel(SIMT_PARAMETERS WgmmaPackedParameters<ActivationLines<Config>> p) {
#if SIMT_HAS_SM90A
  WgmmaPackedBlock<Config>(p).run();
#endif
}

// ---- on the host, for both targets

inline unsigned block_count(const WgmmaPackedTile& tile, const GemmArguments& g) {
  return unsigned(ceil_divide(g.m, tile.block_m)) * unsigned(ceil_divide(g.n, tile.block_n)) * unsigned(tile.split_k);
}

// Rows are the blocks of 16 rows of weights.
inline simt::TensorDescription describe_weights(const WgmmaPackedTile& tile, const GemmArguments& g) {
  const int blocks = ceil_divide(g.k, kFragmentBytes * 8 / (16 * tile.weight_bits()));
  return {.base = g.b,
          .element_bytes = kPackedElementBytes,
          .rank = 2,
          .extent = {std::uint64_t(blocks) * kFragmentBytes / kPackedElementBytes, std::uint64_t(ceil_divide(g.n, 16))},
          .stride_bytes = {0, std::uint64_t(blocks) * kFragmentBytes},
          .box = {std::uint32_t(tile.weight_row_bytes() / kPackedElementBytes), std::uint32_t(tile.block_n / 16)}};
}

// Parameters of groups [k / group, n padded to 16], in boxes of a block's columns and a stage's groups.
inline simt::TensorDescription describe_groups(const WgmmaPackedTile& tile, const GemmArguments& g, std::uint64_t base,
                                               int bytes) {
  const auto columns = std::uint64_t(ceil_divide(g.n, 16) * 16);
  const int groups = g.group == 32 || g.group == 64 ? tile.block_k / g.group : 1;
  return {.base = base,
          .element_bytes = bytes,
          .rank = 2,
          .extent = {columns, std::uint64_t(g.k / g.group)},
          .stride_bytes = {0, columns * std::uint64_t(bytes)},
          .box = {std::uint32_t(tile.block_n), std::uint32_t(groups)}};
}

template <class Config>
WgmmaPackedParameters<ActivationLines<Config>> make_packed_parameters(const GemmArguments& g) {
  using Activations = ActivationLines<Config>;
  constexpr WgmmaPackedTile kTile = Config::tile;
  WgmmaPackedParameters<Activations> p{.view = Activations::make_view(kTile, g),
                                       .activations = Activations::map(kTile, g),
                                       .weights = encode(describe_weights(kTile, g)),
                                       .epilogue = make_epilogue(g),
                                       .k = g.k,
                                       .group = g.group,
                                       .magic = detail::FormatOf<kTile.format>::type::kMagic};
  if (kTile.scale_bytes()) p.scales = encode(describe_groups(kTile, g, g.group_scale, kTile.scale_bytes()));
  if (kTile.affine_bytes()) p.affine = encode(describe_groups(kTile, g, g.group_affine, kTile.affine_bytes()));
  return p;
}

}  // namespace immabench::inline SIMT_TARGET
