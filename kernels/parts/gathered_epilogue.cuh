// The epilogue of a tile whose sums meet in shared memory first: because the instruction's rows are the output's columns, or
// because several blocks of a cluster hold parts of every sum.
#pragma once
#include <parts/epilogue.cuh>
#include <parts/tensor_epilogue.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// A tile of sums, int32 or fp32, as the output has it, kRows x kColumns. Its rows are kPadding words longer than they need be,
// so that what a warp writes at once falls into different banks: 8 words of each of 4 rows, or (kSwapped) of each of 4 rows two
// apart.
template <int kRows, int kColumns, bool kSwapped>
struct GatheredTile {
  static constexpr int kPadding = kSwapped ? 4 : 8, kPitch = (kColumns + kPadding) * 4;

  simt::u32 base;

  SIMT_CALLABLE simt::u32 place(int row, int column) const { return base + simt::u32(row * kPitch + column * 4); }

  // A warpgroup's accumulators of 64 x 2 kSums: rows of the instruction from `first` on are columns of the tile if kSwapped.
  template <class Sum, int kSums>
  SIMT_DEVICE void write(const Sum (&sums)[kSums], int first) const {
    const auto fragment = WgmmaFragment::of_this_thread();
    SIMT_UNROLL
    for (int i = 0; i < kSums; i += 2) {
      const int row = first + fragment.row + i / 2 % 2 * 8, column = i / 4 * 8 + fragment.column;
      if constexpr (kSwapped) {
        simt::store_shared(place(column, row), sums[i]);
        simt::store_shared(place(column + 1, row), sums[i + 1]);
      } else {
        simt::store_shared(place(row, column), simt::Vector<Sum, 2>{{sums[i], sums[i + 1]}});
      }
    }
  }

  // `threads` threads of each of `parts` blocks of the cluster, of which this is thread `thread` of block `part`, add up the
  // parts' tiles and write the output from (first_row, first_column) on. Each block begins with its own part and goes round:
  // which order fp32 sums are added in depends on the place in the tile alone.
  template <class Sum, int kParts>
  SIMT_DEVICE void finish(const EpilogueParameters& p, int first_row, int first_column, int part, int thread,
                          int threads) const {
    constexpr int kChunks = kColumns / 4;
    for (int i = part * threads + thread; i < kRows * kChunks; i += kParts * threads) {
      const int row = i / kChunks, column = i % kChunks * 4;
      if (first_row + row >= p.m || first_column + column >= p.n) continue;
      ColumnParameters<4> columns;
      columns.load(p, first_column + column);
      finish_four(p, first_row + row, first_column + column, sum_of_parts<Sum, kParts>(place(row, column), part), columns);
    }
  }

 private:
  template <class Sum, int kParts>
  SIMT_DEVICE static simt::Vector<Sum, 4> sum_of_parts(simt::u32 own, int part) {
    auto sum = simt::load_shared<simt::Vector<Sum, 4>>(own);
    SIMT_UNROLL
    for (int step = 1; step < kParts; ++step) {
      const auto rank = simt::u32((part + step) % kParts);
      const auto other = simt::load_shared_cluster<simt::Vector<Sum, 4>>(simt::map_shared_rank(own, rank));
      SIMT_UNROLL
      for (int i = 0; i < 4; ++i) sum[i] = added(sum[i], other[i]);
    }
    return sum;
  }
  SIMT_DEVICE static simt::i32 added(simt::i32 a, simt::i32 b) { return a + b; }
  SIMT_DEVICE static float added(float a, float b) { return simt::add_rn(a, b); }
};

}  // namespace immabench::inline SIMT_TARGET
