// Policy of mma_gemm.cuh for activations of 16-bit floats and weights of 4 or 8 bits, which stay packed until they are in
// registers, become floats of the activations' type there, and are multiplied by m16n8k16 with fp32 sums.
//
//   T = F16, BF16     of the activations
//   B = U4            round((u - zero) * scale) of its row and group
//   B = S8            q; scales are the epilogue's
//
// Weights are fragment-major: a lane finds in 16 neighbouring bytes its codes of 16 rows (columns of the output) and 64
// elements of K (U4), or 32 (S8). A stage holds A, swizzled; B, whole blocks; of U4 `affine`, a word a row and group: the bits
// of its scale and, above them, of a float that is its zero point (parts/unpack_float.cuh). Within 16 rows words lie in the
// order 0, 8, 1, 9, .. so that two neighbours serve rows r and r + 8. The array is [K / group][N], N padded to 16 as the
// weights are.
//
// No ragged variant: K is a multiple of 8, addresses are multiples of 16. M and N are free.
#pragma once
#include <gemm/gemm_call.cuh>
#include <gemm/mma_tile.hpp>
#include <parts/group_parameters.cuh>
#include <parts/mma_fragments.cuh>
#include <parts/tile_loader.cuh>
#include <parts/unpack_float.cuh>
#include <simt/simt.cuh>
#include <type_traits>

namespace immabench::inline SIMT_TARGET {

template <class T, class B>
struct DequantizedOperands {
  static constexpr bool kGrouped = std::is_same_v<B, simt::U4>;
  static constexpr MmaWidths widths = dequantized_widths(B::kBits);
  static constexpr bool kRagged = false, kBatched = false, kNative = true, kImage = false;

  struct Parameters {
    OperandView a, b;  // M rows of 2 K bytes; blocks of 16 rows of N
    simt::Global<void> affine;
    GroupSchedule groups;
  };

  static Parameters make_parameters(const GemmArguments& g) {
    return {{{g.a}, g.m, g.k * kElementBytes},
            {{g.b}, ceil_divide(g.n, kFragmentRows), ceil_divide(g.k, kFragmentK) * kFragmentBytes},
            {g.group_affine},
            GroupSchedule::of(g.k, g.n, kGrouped ? g.group : g.k)};
  }
  static bool is_aligned(const GemmArguments&) { return true; }
  SIMT_DEVICE static int k_tiles(const Parameters& p, int block_k) { return ceil_divide(p.a.k, block_k * kElementBytes); }

  static constexpr int kElementBytes = 2;                                                      // of A
  static constexpr int kFragmentRows = 16, kFragmentK = 256 / B::kBits, kFragmentBytes = 512;  // of a block of weights

  // Where the parts of a stage begin.
  template <class Config>
  struct Stage {
    static constexpr MmaTile kTile = Config::tile;
    static constexpr int kARowBytes = kTile.a_row_bytes(widths);
    static constexpr int kB = kTile.a_bytes(widths), kAffine = kB + kTile.b_bytes(widths);
    static constexpr int kBlocksK = kTile.block_k / kFragmentK, kRowBlockBytes = kBlocksK * kFragmentBytes;
    static_assert(kBlocksK % 2 == 0, "whole blocks of weights, whose registers alternate");
  };

  template <class Config, bool kAligned>
  class Loader {
   public:
    SIMT_DEVICE Loader(const Parameters& p, int first_m, int first_n)
        : a_(p.a, first_m), b_(p.b, first_n / kFragmentRows), affine_(p.affine, p.groups, first_n) {}

    SIMT_DEVICE void load(simt::u32 stage, int k_tile) const {
      a_.load(stage, k_tile * At::kARowBytes);
      b_.load(stage + simt::u32(At::kB), k_tile * At::kRowBlockBytes);
      if constexpr (kGrouped) affine_.load(stage + simt::u32(At::kAffine), k_tile);
    }

   private:
    using At = Stage<Config>;
    static constexpr MmaTile kTile = Config::tile;
    TileLoader<kTile.block_m, At::kARowBytes, kTile.threads(), true> a_;
    TileLoader<kTile.block_n / kFragmentRows, At::kRowBlockBytes, kTile.threads(), true, PlainRows<At::kRowBlockBytes>> b_;
    GroupLoader<kTile.block_n, kFloatAffineBytes, kTile.threads()> affine_;
  };

  template <class Config>
  class WarpTile {
   public:
    SIMT_DEVICE explicit WarpTile(const Parameters& p) : groups_(p.groups) {}

    // Codes come for several steps at a time. Parameters of a group come with its first step: 32 elements of K are two steps.
    SIMT_DEVICE void fetch(simt::u32 stage, int step) {
      load_fragments_a<kTile.warp_m(), At::kARowBytes>(a_[step % 2], stage, origin_.m, step);
      if (step % kBlockSteps == 0) fetch_codes(stage + simt::u32(At::kB), step / kBlockSteps);
      if constexpr (kGrouped) {
        if (begins_group(step)) fetch_affine(stage + simt::u32(At::kAffine), step);
      }
    }

    SIMT_DEVICE void multiply(int step) {
      if constexpr (kGrouped) {
        if (begins_group(step)) take_affine();
      }
      simt::u32 b[kTile.warp_n() / kMmaN][2];
      SIMT_UNROLL
      for (int block = 0; block < kBlocks; ++block) {
        simt::u32 registers[4];
        const auto& words = codes_[step / kBlockSteps % 2][block];
        unpacking_[block].unpack(words, step % kBlockSteps * kWords, registers);
        SIMT_UNROLL
        for (int i = 0; i < 4; ++i) b[2 * block + i % 2][i / 2] = registers[i];
      }
      simt::mma_tile(T{}, T{}, sums_, a_[step % 2], b);
    }

    SIMT_DEVICE auto& sums() { return sums_; }

   private:
    using At = Stage<Config>;
    using Unpacking = std::conditional_t<kGrouped, GroupedCodes<T>, ChannelCodes<T>>;
    static constexpr MmaTile kTile = Config::tile;
    static constexpr int kBlocks = kTile.warp_n() / kFragmentRows;
    static constexpr int kWords = Unpacking::kWords, kBlockSteps = 4 / kWords;

    SIMT_DEVICE bool begins_group(int step) const { return step % 2 == 0 && groups_.begins(step / 2); }
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
        const int column = groups_.row(step / 2) * kTile.block_n + origin_.n + block * kFragmentRows;
        const int at = (column + int(simt::lane_index()) / 4 * 2) * kFloatAffineBytes;
        affine_[block] = simt::load_shared<simt::Vector<simt::u32, 2>>(rows + simt::u32(at));
      }
    }
    // Not in the step that fetched it: the weights of the step before are still to be unpacked.
    SIMT_DEVICE void take_affine() {
      SIMT_UNROLL
      for (int block = 0; block < kBlocks; ++block) unpacking_[block].take(affine_[block]);
    }

    const WarpOrigin<Config> origin_;
    const GroupSchedule groups_;
    simt::u32 a_[2][kTile.warp_m() / kMmaM][4];
    simt::Vector<simt::u32, 4> codes_[2][kBlocks];
    simt::Vector<simt::u32, 2> affine_[kBlocks];
    Unpacking unpacking_[kBlocks];
    WarpSums<float, Config> sums_ = {};
  };
};

}  // namespace immabench::inline SIMT_TARGET
