// Policies of mma_gemm.cuh for int8 activations and 4-bit weights, which stay packed until they are in registers, multiplied by
// m16n8k32.s8. Weights are fragment-major (docs/numerics.md): a lane finds in 16 neighbouring bytes its codes of 16 rows
// (columns of the output) and 64 elements of K. B says what a code stands for, Sum how it is added up:
//
//   B = S4        q, two's complement
//   B = U4        (u - zero) * step of its row and group, an int8
//   Sum = i32     one exact sum over K; scales are the epilogue's
//   Sum = float   an exact sum of each group, which then is scaled (parts/group_sums.cuh)
//
// A stage holds A, swizzled; B, whole blocks; of U4 `affine`, 2 bytes a row and group: step and 128 - zero * step
// (unpack_s4.cuh), within 16 rows in the order 0, 8, 1, 9, .. so that one word serves rows r and r + 8; of float sums `scale`,
// fp32. These arrays are [K / group][N], N padded to 16 as the weights are.
//
// Instructions of unpacking an element, in the SASS of sm_80 and sm_90a: S4 0.375, U4 0.875, and for every group of U4 and 16
// rows a load and 4 permutes, which is 0.08 an element for groups of 128. A group of float sums ends with 4 instructions a sum.
//
// No ragged variant: K (channels of an image) is a multiple of 16, addresses are multiples of 16. M and N are free.
#pragma once
#include <gemm/gemm_call.cuh>
#include <gemm/mma_tile.hpp>
#include <parts/activations.cuh>
#include <parts/group_parameters.cuh>
#include <parts/group_sums.cuh>
#include <parts/mma_fragments.cuh>
#include <parts/tile_loader.cuh>
#include <parts/unpack_s4.cuh>
#include <simt/simt.cuh>
#include <type_traits>

namespace immabench::inline SIMT_TARGET {

template <class B, class Sum, class Activations = MatrixRows>
struct W4A8Operands {
  static constexpr bool kAffine = std::is_same_v<B, simt::U4>, kFloat = std::is_same_v<Sum, float>;
  static constexpr MmaWidths widths = w4a8_widths(kAffine, kFloat);
  static constexpr bool kRagged = false, kBatched = false, kNative = true, kImage = Activations::kImage;

  struct Parameters {
    typename Activations::View a;
    OperandView b;  // blocks of 16 rows of N
    simt::Global<void> affine, scale;
    GroupSchedule groups;
  };

  static Parameters make_parameters(const GemmArguments& g) {
    return {Activations::template make_view<8>(g),
            {{g.b}, ceil_divide(g.n, kFragmentRows), ceil_divide(g.k, kFragmentK) * kFragmentBytes},
            {g.group_affine},
            {g.group_scale},
            GroupSchedule::of(g.k, g.n, g.group ? g.group : g.k)};
  }
  static bool is_aligned(const GemmArguments&) { return true; }
  SIMT_DEVICE static int k_tiles(const Parameters& p, int block_k) { return ceil_divide(p.a.k, block_k); }

  static constexpr int kFragmentRows = 16, kFragmentK = 64, kFragmentBytes = 512;  // of a block of weights

  // Where the parts of a stage begin.
  template <class Config>
  struct Stage {
    static constexpr MmaTile kTile = Config::tile;
    static constexpr int kB = kTile.a_bytes(widths), kAffineAt = kB + kTile.b_bytes(widths);
    static constexpr int kScaleAt = kAffineAt + (kAffine ? kGroupSteps * kTile.block_n * kAffineBytes : 0);
    static constexpr int kBlocksK = kTile.block_k / kFragmentK, kRowBlockBytes = kBlocksK * kFragmentBytes;
    static_assert(kTile.block_k == kGroupTileK);
  };

  template <class Config, bool kAligned>
  class Loader {
   public:
    SIMT_DEVICE Loader(const Parameters& p, int first_m, int first_n)
        : a_(p.a, first_m),
          b_(p.b, first_n / kFragmentRows),
          affine_(p.affine, p.groups, first_n),
          scale_(p.scale, p.groups, first_n) {}

    SIMT_DEVICE void load(simt::u32 stage, int k_tile) const {
      a_.load(stage, k_tile * kTile.block_k);
      b_.load(stage + simt::u32(At::kB), k_tile * At::kRowBlockBytes);
      if constexpr (kAffine) affine_.load(stage + simt::u32(At::kAffineAt), k_tile);
      if constexpr (kFloat) scale_.load(stage + simt::u32(At::kScaleAt), k_tile);
    }

   private:
    using At = Stage<Config>;
    static constexpr MmaTile kTile = Config::tile;
    typename Activations::template Loader<kTile.block_m, kTile.block_k, kTile.threads(), true> a_;
    TileLoader<kTile.block_n / kFragmentRows, At::kRowBlockBytes, kTile.threads(), true, PlainRows<At::kRowBlockBytes>> b_;
    GroupLoader<kTile.block_n, kAffineBytes, kTile.threads()> affine_;
    GroupLoader<kTile.block_n, kScaleBytes, kTile.threads()> scale_;
  };

  template <class Config>
  class WarpTile {
   public:
    SIMT_DEVICE explicit WarpTile(const Parameters& p) : groups_(p.groups) {}

    // Codes come two steps at a time. Parameters of a group come with its first step, scales with its last.
    SIMT_DEVICE void fetch(simt::u32 stage, int step) {
      load_fragments_a<kTile.warp_m(), kTile.block_k>(a_[step % 2], stage, origin_.m, step);
      if (step % 2 == 0) fetch_codes(stage + simt::u32(At::kB), step / 2);
      if constexpr (kAffine) {
        if (groups_.begins(step)) fetch_affine(stage + simt::u32(At::kAffineAt), step);
      }
      if constexpr (kFloat) {
        if (groups_.ends(step)) fetch_scales(stage + simt::u32(At::kScaleAt), step);
      }
    }

    SIMT_DEVICE void multiply(int step) {
      if constexpr (kAffine) {
        if (groups_.begins(step)) take_affine(step);
      }
      simt::u32 b[kTile.warp_n() / kMmaN][2];
      SIMT_UNROLL
      for (int block = 0; block < kBlocks; ++block) {
        SIMT_UNROLL
        for (int half = 0; half < 2; ++half) {
          const simt::u32 word = codes_[step / 2 % 2][block][step % 2 * 2 + half];
          unpacking_[block].unpack(word, b[2 * block][half], b[2 * block + 1][half]);
        }
      }
      simt::mma_tile(simt::S8{}, simt::S8{}, products(), a_[step % 2], b);
      if constexpr (kFloat) {
        if (groups_.ends(step)) sums_.promote(scales_[step % 2]);
      }
    }

    SIMT_DEVICE auto& sums() {
      if constexpr (kFloat) {
        return sums_.total();
      } else {
        SIMT_UNROLL
        for (auto& rows : sums_) {
          SIMT_UNROLL
          for (auto& four : rows) {
            SIMT_UNROLL
            for (simt::i32& sum : four) sum >>= Unpacking::kShift;
          }
        }
        return sums_;
      }
    }

   private:
    using At = Stage<Config>;
    using Unpacking = std::conditional_t<kAffine, AffineCodes, ShiftedCodes>;
    static constexpr MmaTile kTile = Config::tile;
    static constexpr int kBlocks = kTile.warp_n() / kFragmentRows;

    SIMT_DEVICE void fetch_codes(simt::u32 tile, int k_block) {
      SIMT_UNROLL
      for (int block = 0; block < kBlocks; ++block) {
        const int row_block = origin_.n / kFragmentRows + block;
        const int at = (row_block * At::kBlocksK + k_block) * kFragmentBytes + int(simt::lane_index()) * kChunkBytes;
        codes_[k_block % 2][block] = simt::load_shared<simt::Vector<simt::u32, 4>>(tile + simt::u32(at));
      }
    }
    SIMT_DEVICE void fetch_affine(simt::u32 rows, int step) {
      SIMT_UNROLL
      for (int block = 0; block < kBlocks; ++block) {
        const int column = groups_.row(step) * kTile.block_n + origin_.n + block * kFragmentRows;
        const int at = column * kAffineBytes + int(simt::lane_index()) / 4 * 4;
        affine_[step % 2][block] = simt::load_shared<simt::u32>(rows + simt::u32(at));
      }
    }
    SIMT_DEVICE void take_affine(int step) {
      SIMT_UNROLL
      for (int block = 0; block < kBlocks; ++block) unpacking_[block].take(affine_[step % 2][block]);
    }
    SIMT_DEVICE void fetch_scales(simt::u32 rows, int step) {
      SIMT_UNROLL
      for (int j = 0; j < kTile.warp_n() / kMmaN; ++j) {
        const int column = groups_.row(step) * kTile.block_n + origin_.n + j * kMmaN + int(simt::lane_index()) % 4 * 2;
        scales_[step % 2][j] = simt::load_shared<simt::Vector<float, 2>>(rows + simt::u32(column * kScaleBytes));
      }
    }
    SIMT_DEVICE WarpSums<simt::i32, Config>& products() {
      if constexpr (kFloat)
        return sums_.group();
      else
        return sums_;
    }

    const WarpOrigin<Config> origin_;
    const GroupSchedule groups_;
    simt::u32 a_[2][kTile.warp_m() / kMmaM][4];
    simt::Vector<simt::u32, 4> codes_[2][kBlocks];
    Unpacking unpacking_[kBlocks];
    simt::u32 affine_[2][kBlocks];
    simt::Vector<float, 2> scales_[2][kTile.warp_n() / kMmaN];
    std::conditional_t<kFloat, GroupSums<Config, Unpacking::kShift>, WarpSums<simt::i32, Config>> sums_ = {};
  };
};

}  // namespace immabench::inline SIMT_TARGET
