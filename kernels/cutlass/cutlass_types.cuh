// The types that CUTLASS' kernels by mma.sync are made of, what they are told of a call, and how their iterators find operands.
#pragma once
#include <cutlass/conv/kernel/default_conv2d_fprop.h>
#include <cutlass/cutlass.h>
#include <cutlass/epilogue/thread/linear_combination.h>
#include <cutlass/epilogue/threadblock/epilogue_with_visitor_callbacks.h>
#include <cutlass/gemm/kernel/default_gemm_universal.h>
#include <cutlass/gemm/threadblock/threadblock_swizzle.h>

#include <gemm/gemm_call.cuh>
#include <gemm/mma_tile.hpp>
#include <type_traits>

#include "output_visitor.cuh"

namespace immabench::inline SIMT_TARGET {

// What GEMMs and convolutions have in common. Sums leave in fours, the width this project's epilogue has.
template <int kBits, class Config>
struct CutlassTypes {
  static constexpr MmaTile kTile = Config::tile;
  static constexpr MmaWidths kWidths = row_major_widths(kBits);
  static constexpr int kChunk = 128 / kBits;  // elements that one thread copies at a time

  using Element = std::conditional_t<kBits == 8, std::int8_t, cutlass::int4b_t>;
  using BlockTile = cutlass::gemm::GemmShape<kTile.block_m, kTile.block_n, kTile.block_k>;
  using WarpTile = cutlass::gemm::GemmShape<kTile.warp_m(), kTile.warp_n(), kTile.block_k>;
  using Instruction = cutlass::gemm::GemmShape<16, 8, kWidths.mma_k>;
  // Stands for what the visitor does: it says that outputs are int32, four a thread.
  using OutputOp = cutlass::epilogue::thread::LinearCombination<std::int32_t, 4, std::int32_t, std::int32_t>;
  // Tiles next to each other along N, up to 8, run together.
  using Swizzle = cutlass::gemm::threadblock::GemmIdentityThreadblockSwizzle<8>;
  // The only one CUTLASS has of integers. It never saturates: int32 does not overflow up to the K that is legal.
  using Multiply = cutlass::arch::OpMultiplyAddSaturate;
  using Coordinate = cutlass::gemm::GemmCoord;
};

// `Default` is a kernel of CUTLASS' own; its epilogue's visitor is replaced.
template <class Default, bool kBatched>
struct VisitedKernel {
  using Mma = typename Default::Mma;
  using DefaultEpilogue = typename Default::Epilogue;
  using Visitor = OutputVisitor<typename DefaultEpilogue::OutputTileIterator::ThreadMap, kBatched>;
  // One stage of shared memory, and steps rolled: what may follow the sums is long code.
  template <class AnyVisitor>
  using EpilogueOf = cutlass::epilogue::threadblock::EpilogueWithVisitorCallbacks<DefaultEpilogue, AnyVisitor, 1, false>;
  using Epilogue = EpilogueOf<Visitor>;
  union SharedStorage {
    typename Mma::SharedStorage main_loop;
    typename Epilogue::SharedStorage epilogue;
  };
};

// The tiles of a launch, as Swizzle numbers them.
struct CutlassTiles {
  cutlass::gemm::GemmCoord count;  // along M, along N, products
  int log_width;
};

template <class Types>
CutlassTiles make_tiles(const GemmArguments& g) {
  using Block = typename Types::BlockTile;
  const auto count = Types::Swizzle::get_tiled_shape({g.m, g.n, g.k}, {Block::kM, Block::kN, Block::kK}, g.batch);
  return {count, Types::Swizzle::get_log_tile(count)};
}

// An instance is a kernel's types, `Parameters` with `make_parameters(call)`, and `a_of` and `b_of`: a thread's way through the
// operands of a tile, whose third coordinate is the product of a batch. One of Parameters is `k_tiles`, steps of these ways.
template <int kBits, class Config>
struct GemmInstance : CutlassTypes<kBits, Config> {
  using Types = CutlassTypes<kBits, Config>;
  using Coordinate = typename Types::Coordinate;
  using Element = typename Types::Element;
  using Visited = VisitedKernel<
      typename cutlass::gemm::kernel::DefaultGemmUniversal<
          Element, cutlass::layout::RowMajor, cutlass::ComplexTransform::kNone, Types::kChunk, Element,
          cutlass::layout::ColumnMajor, cutlass::ComplexTransform::kNone, Types::kChunk, std::int32_t,
          cutlass::layout::RowMajor, std::int32_t, cutlass::arch::OpClassTensorOp, cutlass::arch::Sm80,
          typename Types::BlockTile, typename Types::WarpTile, typename Types::Instruction, typename Types::OutputOp,
          typename Types::Swizzle, Types::kTile.stages, typename Types::Multiply>::GemmKernel,
      true>;
  using Mma = typename Visited::Mma;
  static constexpr bool kNative = kBits != 4 || SIMT_HAS_S4_MMA;

  struct Parameters {
    EpilogueParameters epilogue;
    CutlassTiles tiles;
    typename Mma::IteratorA::Params a_layout;
    typename Mma::IteratorB::Params b_layout;
    Element *a, *b;
    int k, k_tiles;
  };

  static Parameters make_parameters(const GemmArguments& g) {
    return {make_epilogue(g),
            make_tiles<Types>(g),
            cutlass::layout::RowMajor(g.k),
            cutlass::layout::ColumnMajor(g.k),
            reinterpret_cast<Element*>(g.a),
            reinterpret_cast<Element*>(g.b),
            g.k,
            ceil_divide(g.k, Types::kTile.block_k)};
  }

  CUTLASS_HOST_DEVICE static typename Mma::IteratorA a_of(const Parameters& p, const Coordinate& tile, int thread) {
    const int rows = p.epilogue.m;
    return {p.a_layout, entry_of(p.a, p, tile.k(), rows), {rows, p.k}, thread, {tile.m() * Mma::Shape::kM, 0}};
  }
  CUTLASS_HOST_DEVICE static typename Mma::IteratorB b_of(const Parameters& p, const Coordinate& tile, int thread) {
    const int columns = p.epilogue.n;
    return {p.b_layout, entry_of(p.b, p, tile.k(), columns), {p.k, columns}, thread, {0, tile.n() * Mma::Shape::kN}};
  }

 private:
  CUTLASS_HOST_DEVICE static Element* entry_of(Element* operand, const Parameters& p, int entry, int rows) {
    const std::int64_t bytes = std::int64_t{entry} * rows * p.k * kBits / 8;
    return reinterpret_cast<Element*>(reinterpret_cast<std::uint8_t*>(operand) + bytes);
  }
};

inline cutlass::conv::Conv2dProblemSize problem_size(const ConvolutionArguments& c, int filters) {
  return {c.images,       c.height,          c.width,          c.channels,
          filters,        c.filter_height,   c.filter_width,   c.out_height(),
          c.out_width(),  c.padding_height,  c.padding_width,  c.stride_height,
          c.stride_width, c.dilation_height, c.dilation_width, cutlass::conv::Mode::kCrossCorrelation};
}

template <class Config>
struct FpropInstance : CutlassTypes<8, Config> {
  using Types = CutlassTypes<8, Config>;
  using Coordinate = typename Types::Coordinate;
  using Layout = cutlass::layout::TensorNHWC;
  using Visited = VisitedKernel<
      typename cutlass::conv::kernel::DefaultConv2dFprop<
          std::int8_t, Layout, std::int8_t, Layout, std::int32_t, Layout, std::int32_t, cutlass::arch::OpClassTensorOp,
          cutlass::arch::Sm80, typename Types::BlockTile, typename Types::WarpTile, typename Types::Instruction,
          typename Types::OutputOp, typename Types::Swizzle, Types::kTile.stages, typename Types::Multiply,
          cutlass::conv::IteratorAlgorithm::kOptimized, cutlass::conv::StrideSupport::kStrided, Types::kChunk,
          Types::kChunk>::Kernel,
      false>;
  using Mma = typename Visited::Mma;
  static constexpr bool kNative = true;

  struct Parameters {
    EpilogueParameters epilogue;
    CutlassTiles tiles;
    cutlass::conv::Conv2dProblemSize problem;
    typename Mma::IteratorA::Params a_layout;
    typename Mma::IteratorB::Params b_layout;
    const std::int8_t *a, *b;
    int k_tiles;
  };

  static Parameters make_parameters(const GemmArguments& g) {
    const auto problem = problem_size(g.convolution, g.n);
    const Layout images = Layout::packed(problem.activation_extent()), filters = Layout::packed(problem.filter_extent());
    const int channel_tiles = ceil_divide(problem.C, Types::kTile.block_k);
    return {make_epilogue(g),
            make_tiles<Types>(g),
            problem,
            Mma::IteratorA::getParams(problem, images),
            {problem, filters},
            reinterpret_cast<const std::int8_t*>(g.a),
            reinterpret_cast<const std::int8_t*>(g.b),
            problem.R * problem.S * channel_tiles};
  }

  CUTLASS_HOST_DEVICE static typename Mma::IteratorA a_of(const Parameters& p, const Coordinate& tile, int thread) {
    return {p.a_layout, p.problem, p.a, thread, {tile.m() * Mma::Shape::kM, 0}};
  }
  CUTLASS_HOST_DEVICE static typename Mma::IteratorB b_of(const Parameters& p, const Coordinate& tile, int thread) {
    return {p.b_layout, p.problem, p.b, thread, {0, tile.n() * Mma::Shape::kN}};
  }
};

}  // namespace immabench::inline SIMT_TARGET
