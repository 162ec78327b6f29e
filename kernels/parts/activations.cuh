// What the rows of A are: those of a matrix, or patches of an image. A policy for the operands of mma_gemm.cuh:
//
//   kImage                         whether they are patches: long code, which may have a multiprocessor to itself
//   kBatched, View::entry(index)   whether A may be a batch; the view of one product's
//   View, make_view<kBits>(call)   A as the kernel takes it; `k` is bytes of a row
//   is_aligned<kBits>(call)        may all of it be copied 16 bytes at a time?
//   Loader                         of kRows rows of a tile, kRowBytes of each (parts/tile_loader.cuh)
#pragma once
#include <gemm/gemm_call.cuh>
#include <parts/patch_loader.cuh>
#include <parts/tile_loader.cuh>

namespace immabench::inline SIMT_TARGET {

struct MatrixRows {
  static constexpr bool kImage = false, kBatched = true;
  using View = OperandView;

  template <int kBits>
  static View make_view(const GemmArguments& g) {
    return {{g.a}, g.m, int(std::int64_t{g.k} * kBits / 8)};
  }
  template <int kBits>
  static bool is_aligned(const GemmArguments& g) {
    return are_rows_aligned(g.a, g.k, kBits);
  }
  template <int kRows, int kRowBytes, int kThreads, bool kAligned>
  using Loader = TileLoader<kRows, kRowBytes, kThreads, kAligned>;
};

struct ImagePatches {
  static constexpr bool kImage = true, kBatched = false;
  using View = ImageView;

  template <int kBits>
  static View make_view(const GemmArguments& g) {
    static_assert(kBits == 8, "images are of int8");
    return make_image(g.a, g.convolution, g.epilogue.a_zero);
  }
  template <int kBits>
  static bool is_aligned(const GemmArguments& g) {
    return are_rows_aligned(g.a, g.convolution.channels, kBits);
  }
  template <int kRows, int kRowBytes, int kThreads, bool kAligned>
  using Loader = PatchLoader<kRows, kRowBytes, kThreads, kAligned>;
};

}  // namespace immabench::inline SIMT_TARGET
