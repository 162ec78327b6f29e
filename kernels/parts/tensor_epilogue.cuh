// The epilogue of a warpgroup whose results leave through the Tensor Memory Accelerator, while it goes on with the next tile.
#pragma once
#include <parts/epilogue.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

constexpr int kBoxRows = 64, kBoxRowBytes = 128, kBoxBytes = kBoxRows * kBoxRowBytes;

// Which registers of wgmma's accumulators a thread finds its results in: of each 8 columns two neighbouring ones, in two rows.
struct WgmmaFragment {
  int row, column;  // within the 64 rows, and within each 8 columns

  SIMT_DEVICE static WgmmaFragment of_this_thread() {
    const int thread = int(simt::thread_index()) % 128, lane = thread % 32;
    return {thread / 32 * 16 + lane / 4, lane % 4 * 2};
  }
};

// Two boxes of shared memory that a warpgroup fills in turn: one leaves while the other is filled. `barrier` is the
// warpgroup's named barrier.
struct BoxStaging {
  simt::u32 boxes;
  int barrier;
  int next = 0;

  SIMT_DEVICE static int thread() { return int(simt::thread_index()) % 128; }

  // The next box, free to be written by all.
  SIMT_DEVICE simt::u32 acquire() {
    if (thread() == 0) simt::bulk_wait_read<1>();
    simt::barrier_sync(barrier, 128);
    const simt::u32 box = boxes + simt::u32(next * kBoxBytes);
    next ^= 1;
    return box;
  }
  // Sends what all have written to it.
  SIMT_DEVICE void send(const simt::TensorMap& out, simt::u32 box, int row, int column) const {
    simt::fence_proxy_async();
    simt::barrier_sync(barrier, 128);
    if (thread() != 0) return;
    const int at[2] = {column, row};
    simt::tensor_store(out, at, box);
    simt::bulk_commit();
  }
  SIMT_DEVICE void drain() const {
    if (thread() == 0) simt::bulk_wait<0>();
  }
};

// Where a thread's pair of columns lies in a box whose elements have kBytes; `half`: its second row, eight below the first.
template <int kBytes>
SIMT_DEVICE simt::u32 place_in_box(simt::u32 box, int half, int column) {
  const int row = WgmmaFragment::of_this_thread().row + 8 * half;
  return box + simt::swizzled(simt::TensorSwizzle::k128Bytes, simt::u32(row * kBoxRowBytes + column * kBytes));
}

// Writes 64 rows x `kColumns` columns of sums, box by box, where the epilogue has scales alone. kBytes is the size of an
// output, 4 or 2.
template <int kBytes, int kColumns>
SIMT_DEVICE void store_boxes(const EpilogueParameters& p, const simt::TensorMap& out, const simt::i32 (&sums)[kColumns / 2],
                             int first_row, int first_column, BoxStaging& staging) {
  constexpr int kBoxColumns = kBoxRowBytes / kBytes, kPairs = kBoxColumns / 8;
  const auto fragment = WgmmaFragment::of_this_thread();
  RowParameters rows[2];
  SIMT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int row = first_row + fragment.row + 8 * half;
    if (row < p.m) rows[half].load(p, row);
  }
  SIMT_UNROLL
  for (int box_column = 0; box_column < kColumns; box_column += kBoxColumns) {
    const simt::u32 box = staging.acquire();
    SIMT_UNROLL
    for (int pair = 0; pair < kPairs; ++pair) {
      const int in_box = pair * 8 + fragment.column;
      ColumnParameters<2> columns;
      columns.load(p, first_column + box_column + in_box);
      SIMT_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int index = (box_column / 8 + pair) * 4 + 2 * half;
        const simt::Vector<simt::i32, 2> two{{sums[index], sums[index + 1]}};
        const simt::u32 place = place_in_box<kBytes>(box, half, in_box);
        if (kBytes == 4 && p.output == OutputType::kS32) {
          simt::store_shared(place, two);
          continue;
        }
        const auto result = scaled(two, rows[half].scale, columns);
        if constexpr (kBytes == 4)
          simt::store_shared(place, result);
        else
          simt::store_shared(place, p.output == OutputType::kF16 ? simt::pack_f16x2(result[0], result[1])
                                                                 : simt::pack_bf16x2(result[0], result[1]));
      }
    }
    staging.send(out, box, first_row, first_column + box_column);
  }
}

// The same with all that may follow the sums, for outputs of any width. Sums pass through the boxes as they are, and threads
// finish four of a row: too much code to stand once for every register.
template <int kColumns>
SIMT_DEVICE void store_finished(const EpilogueParameters& p, const simt::i32 (&sums)[kColumns / 2], int first_row,
                                int first_column, BoxStaging& staging) {
  constexpr int kBoxColumns = kBoxRowBytes / 4, kChunks = kBoxColumns / 4;
  const int pair_column = WgmmaFragment::of_this_thread().column;
  SIMT_UNROLL
  for (int box_column = 0; box_column < kColumns; box_column += kBoxColumns) {
    const simt::u32 box = staging.acquire();
    SIMT_UNROLL
    for (int pair = 0; pair < kBoxColumns / 8; ++pair) {
      SIMT_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int index = (box_column / 8 + pair) * 4 + 2 * half;
        simt::store_shared(place_in_box<4>(box, half, pair * 8 + pair_column),
                           simt::Vector<simt::i32, 2>{{sums[index], sums[index + 1]}});
      }
    }
    simt::barrier_sync(staging.barrier, 128);
    SIMT_ROLLED
    for (int i = BoxStaging::thread(); i < kBoxRows * kChunks; i += 128) {
      const int row = first_row + i / kChunks, column = first_column + box_column + i % kChunks * 4;
      if (row >= p.m || column >= p.n) continue;
      const auto four = simt::load_shared<simt::Vector<simt::i32, 4>>(
          box + simt::swizzled(simt::TensorSwizzle::k128Bytes, simt::u32(i * 16)));
      ColumnParameters<4> columns;
      columns.load(p, column);
      finish_four(p, row, column, four, columns);
    }
  }
}

}  // namespace immabench::inline SIMT_TARGET
