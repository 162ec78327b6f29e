// Operands that mma.sync takes as they lie in memory, row by row: s8 by m16n8k32, s4 by m16n8k64, bits by m16n8k256. In bytes
// all three are one: 32 of each row a step, 4 neighbouring ones a register.
#pragma once
#include <gemm/gemm_call.cuh>
#include <gemm/mma_tile.hpp>
#include <parts/activations.cuh>
#include <parts/mma_fragments.cuh>
#include <parts/tile_loader.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// The policy of mma_gemm.cuh for A and B of type T; A as `Activations` says (parts/activations.cuh).
template <class T, class Activations = MatrixRows>
struct RowMajorOperands {
  static constexpr MmaWidths widths = row_major_widths(T::kBits);
  static constexpr bool kRagged = true, kNative = T::kBits != 4 || SIMT_HAS_S4_MMA;
  static constexpr bool kImage = Activations::kImage, kBatched = Activations::kBatched;
  struct Parameters {
    typename Activations::View a;
    OperandView b;  // rows of K elements
  };

  static Parameters make_parameters(const GemmArguments& g) {
    return {Activations::template make_view<T::kBits>(g), {{g.b}, g.n, int(std::int64_t{g.k} * T::kBits / 8)}};
  }
  static bool is_aligned(const GemmArguments& g) {
    return Activations::template is_aligned<T::kBits>(g) && are_rows_aligned(g.b, g.k, T::kBits);
  }
  SIMT_DEVICE static Parameters entry(const Parameters& p, int index) { return {p.a.entry(index), p.b.entry(index)}; }
  SIMT_DEVICE static int k_tiles(const Parameters& p, int block_k) { return ceil_divide(p.a.k, block_k * T::kBits / 8); }

  template <class Config, bool kAligned>
  class Loader {
   public:
    SIMT_DEVICE Loader(const Parameters& p, int first_m, int first_n) : a_(p.a, first_m), b_(p.b, first_n) {}

    SIMT_DEVICE void load(simt::u32 stage, int k_tile) const {
      a_.load(stage, k_tile * kRowBytes);
      b_.load(stage + simt::u32(kTile.a_bytes(widths)), k_tile * kRowBytes);
    }

   private:
    static constexpr MmaTile kTile = Config::tile;
    static constexpr int kRowBytes = kTile.a_row_bytes(widths);
    typename Activations::template Loader<kTile.block_m, kRowBytes, kTile.threads(), kAligned> a_;
    TileLoader<kTile.block_n, kRowBytes, kTile.threads(), kAligned> b_;
  };

  template <class Config>
  class WarpTile {
   public:
    SIMT_DEVICE explicit WarpTile(const Parameters&) {}

    SIMT_DEVICE void fetch(simt::u32 stage, int step) {
      load_fragments_a<kTile.warp_m(), kRowBytes>(fragments_[step % 2].a, stage, origin_.m, step);
      load_fragments_b<kTile.warp_n(), kRowBytes>(fragments_[step % 2].b, stage + simt::u32(kTile.a_bytes(widths)), origin_.n,
                                                  step);
    }
    SIMT_DEVICE void multiply(int step) {
      const Fragments& now = fragments_[step % 2];
      simt::mma_tile(T{}, T{}, sums_, now.a, now.b);
    }
    SIMT_DEVICE auto& sums() { return sums_; }

   private:
    static constexpr MmaTile kTile = Config::tile;
    static constexpr int kRowBytes = kTile.a_row_bytes(widths);
    struct Fragments {
      simt::u32 a[kTile.warp_m() / kMmaM][4];
      simt::u32 b[kTile.warp_n() / kMmaN][2];
    };
    const WarpOrigin<Config> origin_;
    Fragments fragments_[2];
    WarpSums<simt::i32, Config> sums_ = {};
  };
};

}  // namespace immabench::inline SIMT_TARGET
