// This project's epilogue as the visitor of a CUTLASS epilogue: CUTLASS brings sums through shared memory into rows, four
// neighbouring ones a thread; what becomes of them, and how they are stored, is parts/epilogue.cuh, as for our own kernels.
#pragma once
#include <cutlass/array.h>
#include <cutlass/gemm_coord.h>

#include <parts/epilogue.cuh>

namespace immabench::inline SIMT_TARGET {

// `ThreadMap` is the output thread map of the default epilogue that stands around the visitor. Of a batch, the product is the
// third coordinate of the tile. What CUTLASS asks of a visitor: cutlass/epilogue/threadblock/epilogue_with_visitor_callbacks.h.
template <class ThreadMap, bool kBatched>
struct OutputVisitor {
  using Arguments = EpilogueParameters;
  using Params = EpilogueParameters;
  struct SharedStorage {};

  static constexpr int kWidth = ThreadMap::kElementsPerAccess, kColumns = ThreadMap::Iterations::kColumn;
  static_assert(kWidth == 4 && ThreadMap::Count::kGroup == 1 && ThreadMap::Count::kCluster == 1);
  static constexpr int kTileM = ThreadMap::Shape::kRow * ThreadMap::Count::kRow * ThreadMap::Shape::kGroup;
  static constexpr int kTileN = ThreadMap::Shape::kColumn;

  const Params& parameters;

  CUTLASS_DEVICE OutputVisitor(const Params& p, SharedStorage&) : parameters(p) {}

  // Row, within the thread's first one, of fragment row `fragment_row` in step `step`.
  CUTLASS_HOST_DEVICE static constexpr int row_offset(int step, int fragment_row) {
    using Iterations = typename ThreadMap::Iterations;
    using Delta = typename ThreadMap::Delta;
    const int row = fragment_row % Iterations::kRow, group = fragment_row / Iterations::kRow % Iterations::kGroup;
    const int cluster = fragment_row / Iterations::kRow / Iterations::kGroup;
    return step * ThreadMap::Shape::kRow + row * Delta::kRow + group * Delta::kGroup + cluster * Delta::kCluster;
  }
  CUTLASS_HOST_DEVICE static constexpr int column_offset(int fragment_column) {
    return fragment_column * ThreadMap::Delta::kColumn;
  }

  struct Callbacks {
    EpilogueParameters p;  // of this product
    int first_row, first_column;
    ColumnParameters<kWidth> columns[kColumns];

    CUTLASS_DEVICE void begin_epilogue() {
      SIMT_UNROLL
      for (int i = 0; i < kColumns; ++i) columns[i].load(p, first_column + column_offset(i));
    }
    CUTLASS_DEVICE void visit(int step, int fragment_row, int fragment_column, int, const cutlass::Array<int, kWidth>& sums) {
      const int row = first_row + row_offset(step, fragment_row), column = first_column + column_offset(fragment_column);
      if (row >= p.m || column >= p.n) return;
      finish_four(p, row, column, simt::Vector<simt::i32, kWidth>{{sums[0], sums[1], sums[2], sums[3]}},
                  columns[fragment_column]);
    }
    CUTLASS_DEVICE void begin_step(int) {}
    CUTLASS_DEVICE void begin_row(int) {}
    CUTLASS_DEVICE void end_row(int) {}
    CUTLASS_DEVICE void end_step(int) {}
    CUTLASS_DEVICE void end_epilogue() {}
  };

  template <class ProblemShape>
  CUTLASS_DEVICE Callbacks get_callbacks(const cutlass::gemm::GemmCoord& tile, int thread, const ProblemShape&) const {
    const cutlass::MatrixCoord offset = ThreadMap::initial_offset(thread);
    const int first_row = tile.m() * kTileM + offset.row(), first_column = tile.n() * kTileN + offset.column();
    if constexpr (!kBatched) return {parameters, first_row, first_column, {}};
    return {epilogue_entry(parameters, tile.k()), tile.k() * parameters.m + first_row, first_column, {}};
  }
};

}  // namespace immabench::inline SIMT_TARGET
