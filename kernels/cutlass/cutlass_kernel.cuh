// CUTLASS' GEMM and implicit-GEMM convolution by mma.sync, behind this project's launch.
//
//   acc[M,N] = A[M,K] . B[N,K]^T     int8 or int4, both K-major; of a convolution A is an NHWC image, B filters [N, R, S, C]
//   out[M,N] = epilogue(acc)         parts/epilogue.cuh, as a visitor
//
// From CUTLASS 2.x come what a threadblock does with its tile (DefaultGemmUniversal, DefaultConv2dFprop: iterators over
// operands, multistage pipeline by cp.async, swizzled layouts, warp tiles), the order of tiles
// (GemmIdentityThreadblockSwizzle), and the epilogue's way through shared memory (EpilogueWithVisitorCallbacks). The kernel
// around them is written here, as CUTLASS' kernel/gemm_universal_with_visitor.h and kernel/implicit_gemm_convolution.h have it,
// so that its name holds the tile and both share one launch.
//
// Constraints: rows of operands, or pixels, are whole 16 bytes (cutlass_illegal_reason). Filters are walked tap by tap: K goes
// by in channels of one tap, a last tile of them partly empty.
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
};

// `Default` is a kernel of CUTLASS' own; its epilogue's visitor is replaced.
template <class Default, bool kBatched>
struct VisitedKernel {
  using Mma = typename Default::Mma;
  using Visitor = OutputVisitor<typename Default::Epilogue::OutputTileIterator::ThreadMap, kBatched>;
  // One stage of shared memory, and steps rolled: what may follow the sums is long code.
  using Epilogue = cutlass::epilogue::threadblock::EpilogueWithVisitorCallbacks<typename Default::Epilogue, Visitor, 1, false>;
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

template <int kBits, class Config>
struct GemmInstance : CutlassTypes<kBits, Config> {
  using Types = CutlassTypes<kBits, Config>;
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
    int k;
  };

  static Parameters make_parameters(const GemmArguments& g) {
    return {make_epilogue(g),
            make_tiles<Types>(g),
            cutlass::layout::RowMajor(g.k),
            cutlass::layout::ColumnMajor(g.k),
            reinterpret_cast<Element*>(g.a),
            reinterpret_cast<Element*>(g.b),
            g.k};
  }

  // The operands of product `entry`, of which there are `rows`.
  SIMT_DEVICE static Element* entry_of(Element* operand, const Parameters& p, int entry, int rows) {
    const simt::i64 bytes = simt::i64(entry) * rows * p.k * kBits / 8;
    return reinterpret_cast<Element*>(reinterpret_cast<simt::u8*>(operand) + bytes);
  }

  SIMT_DEVICE static void multiply(const Parameters& p, const cutlass::gemm::GemmCoord& tile, Mma& mma,
                                   typename Mma::FragmentC& sums) {
    const int thread = int(simt::thread_index()), m = p.epilogue.m, n = p.epilogue.n;
    typename Mma::IteratorA a(p.a_layout, entry_of(p.a, p, tile.k(), m), {m, p.k}, thread, {tile.m() * Mma::Shape::kM, 0});
    typename Mma::IteratorB b(p.b_layout, entry_of(p.b, p, tile.k(), n), {p.k, n}, thread, {0, tile.n() * Mma::Shape::kN});
    mma((p.k + Mma::Shape::kK - 1) / Mma::Shape::kK, sums, a, b, sums);
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

  SIMT_DEVICE static void multiply(const Parameters& p, const cutlass::gemm::GemmCoord& tile, Mma& mma,
                                   typename Mma::FragmentC& sums) {
    const int thread = int(simt::thread_index());
    typename Mma::IteratorA a(p.a_layout, p.problem, p.a, thread, {tile.m() * Mma::Shape::kM, 0});
    typename Mma::IteratorB b(p.b_layout, p.problem, p.b, thread, {0, tile.n() * Mma::Shape::kN});
    mma(p.k_tiles, sums, a, b, sums);
  }
};

extern __shared__ __align__(128) unsigned char cutlass_shared_memory[];

template <class Instance>
__global__ void __launch_bounds__(Instance::kTile.threads())
    cutlass_kernel(const __grid_constant__ typename Instance::Parameters p) {
  if constexpr (Instance::kNative) {
    using Visited = typename Instance::Visited;
    auto& shared = *reinterpret_cast<typename Visited::SharedStorage*>(cutlass_shared_memory);
    const auto tile = Instance::Swizzle::get_tile_offset(p.tiles.log_width);
    if (tile.m() >= p.tiles.count.m() || tile.n() >= p.tiles.count.n()) return;
    const int thread = int(simt::thread_index()), warp = cutlass::canonical_warp_idx_sync(), lane = int(simt::lane_index());
    typename Visited::Mma mma(shared.main_loop, thread, warp, lane);
    typename Visited::Mma::FragmentC sums;
    sums.clear();
    Instance::multiply(p, tile, mma, sums);
    typename Visited::Epilogue epilogue(p.epilogue, shared.epilogue, thread, warp, lane);
    epilogue(sums, tile, p.epilogue.m, thread);
  }
}

template <class Instance>
int launch_cutlass(const GemmArguments& arguments, std::uint64_t stream) {
  constexpr int kShared = Instance::kTile.shared_bytes(Instance::kWidths), kSharedWithoutAsking = 48 * 1024;
  static_assert(sizeof(typename Instance::Visited::SharedStorage) == kShared);
  const auto kernel = cutlass_kernel<Instance>;
  if (kShared > kSharedWithoutAsking) {
    const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared);
    if (status != cudaSuccess) return status;
  }
  const auto p = Instance::make_parameters(arguments);
  const dim3 grid = Instance::Swizzle::get_grid_shape(p.tiles.count);
  kernel<<<grid, Instance::kTile.threads(), kShared, reinterpret_cast<cudaStream_t>(stream)>>>(p);
  return cudaGetLastError();
}

}  // namespace immabench::inline SIMT_TARGET
