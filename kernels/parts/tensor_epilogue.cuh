// The epilogue of a warpgroup whose results leave through the Tensor Memory Accelerator, while it goes on with the next tile.
#pragma once
#include <parts/epilogue.cuh>
#include <simt/simt.cuh>
#include <type_traits>

namespace immabench::inline SIMT_TARGET {

// A box has rows of one swizzled span: 128 bytes, of int8 outputs 64, so that every tile's columns are whole boxes.
constexpr int kBoxRows = 64, kBoxBytes = kBoxRows * 128;
SIMT_CALLABLE constexpr int box_row_bytes(int output_bytes) { return output_bytes == 1 ? 64 : 128; }
SIMT_CALLABLE constexpr simt::TensorSwizzle box_swizzle(int output_bytes) {
  return output_bytes == 1 ? simt::TensorSwizzle::k64Bytes : simt::TensorSwizzle::k128Bytes;
}

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
  // The same, element by element, for outputs whose rows no tensor map describes.
  template <class T>
  SIMT_DEVICE void write_out(const EpilogueParameters& p, simt::u32 box, int first_row, int first_column) const {
    constexpr int kBytes = sizeof(T), kEach = 4 / kBytes, kWords = box_row_bytes(kBytes) / 4;
    simt::barrier_sync(barrier, 128);
    SIMT_ROLLED
    for (int i = thread(); i < kBoxRows * kWords; i += 128) {
      const int row = first_row + i / kWords, column = first_column + i % kWords * kEach;
      const auto word = simt::load_shared<simt::u32>(box + simt::swizzled(box_swizzle(kBytes), simt::u32(i * 4)));
      for (int e = 0; e < kEach; ++e) {
        if (row < p.m && column + e < p.n)
          simt::store_global(p.out.template as<T>() + (simt::i64(row) * p.n + column + e), T(word >> e * 8 * kBytes));
      }
    }
  }
  SIMT_DEVICE void drain() const {
    if (thread() == 0) simt::bulk_wait<0>();
  }
};

// A thread's results in a box: pairs of columns in two rows, eight apart.
template <int kBytes>
class BoxWriter {
 public:
  SIMT_DEVICE BoxWriter(const EpilogueParameters& p, int first_row) : p_(p), first_row_(first_row) {
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      if (row(half) < p.m) rows_[half].load(p, row(half));
    }
  }

  // Columns [column, +2) of the output are `in_box` and the next of the box; `sums` are of both rows.
  SIMT_DEVICE void write(simt::u32 box, int in_box, int column, const simt::Vector<simt::i32, 2> (&sums)[2]) const {
    ColumnParameters<2> columns;
    columns.load(p_, column);
    simt::u32 codes[2];
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const auto totals = without_zero_point(p_, column, sums[half], rows_[half].zero);
      if constexpr (kBytes == 4) {
        if (p_.output == OutputType::kS32) {
          simt::store_shared(place(box, half, in_box), totals);
          continue;
        }
      }
      const auto values = finish(half, column, totals, columns);
      if constexpr (kBytes == 4)
        simt::store_shared(place(box, half, in_box), values);
      else if constexpr (kBytes == 2)
        simt::store_shared(place(box, half, in_box), p_.output == OutputType::kF16 ? simt::pack_f16x2(values[0], values[1])
                                                                                   : simt::pack_bf16x2(values[0], values[1]));
      else
        codes[half] = packed(requantize(p_, column, values));
    }
    if constexpr (kBytes == 1) write_codes(box, in_box, codes);
  }

 private:
  SIMT_DEVICE int row(int half) const { return first_row_ + fragment_.row + 8 * half; }
  SIMT_DEVICE simt::u32 place(simt::u32 box, int half, int in_box) const {
    const int offset = (fragment_.row + 8 * half) * box_row_bytes(kBytes) + in_box * kBytes;
    return box + simt::swizzled(box_swizzle(kBytes), simt::u32(offset));
  }
  // Rows and columns past the end are computed like the others, but nothing is loaded for them.
  SIMT_DEVICE simt::Vector<float, 2> finish(int half, int column, const simt::Vector<simt::i32, 2>& totals,
                                            const ColumnParameters<2>& columns) const {
    const bool exists = row(half) < p_.m && column < p_.n;
    return exists ? epilogue_values(p_, row(half), column, totals, rows_[half].scale, columns) : simt::Vector<float, 2>{};
  }
  SIMT_DEVICE static simt::u32 packed(const simt::Vector<simt::i8, 2>& codes) {
    return simt::u32(simt::u8(codes[0])) | simt::u32(simt::u8(codes[1])) << 8;
  }
  // Two codes are less than a store takes: neighbouring threads exchange rows, so that each has four columns of one.
  SIMT_DEVICE void write_codes(simt::u32 box, int in_box, const simt::u32 (&codes)[2]) const {
    const int odd = fragment_.column / 2 % 2;
    const simt::u32 other = simt::shuffle_xor(codes[1 - odd], 1);
    simt::store_shared(place(box, odd, in_box - 2 * odd), odd ? other | codes[1] << 16 : codes[0] | other << 16);
  }

  const EpilogueParameters& p_;
  const int first_row_;
  const WgmmaFragment fragment_ = WgmmaFragment::of_this_thread();
  RowParameters rows_[2];
};

// Writes 64 rows x `kColumns` columns of sums, box by box; `out` describes the output where it can (`by_boxes`). kBytes is the
// size of an output.
template <int kBytes, int kColumns>
SIMT_DEVICE void store_boxes(const EpilogueParameters& p, const simt::TensorMap& out, bool by_boxes,
                             const simt::i32 (&sums)[kColumns / 2], int first_row, int first_column, BoxStaging& staging) {
  using Word = std::conditional_t<kBytes == 4, simt::u32, std::conditional_t<kBytes == 2, simt::u16, simt::u8>>;
  constexpr int kBoxColumns = box_row_bytes(kBytes) / kBytes;
  const BoxWriter<kBytes> writer{p, first_row};
  const int pair_column = WgmmaFragment::of_this_thread().column;
  SIMT_UNROLL
  for (int box_column = 0; box_column < kColumns; box_column += kBoxColumns) {
    const simt::u32 box = staging.acquire();
    SIMT_UNROLL
    for (int pair = 0; pair < kBoxColumns / 8; ++pair) {
      const int in_box = pair * 8 + pair_column, index = (box_column / 8 + pair) * 4;
      const simt::Vector<simt::i32, 2> two_rows[2] = {{{sums[index], sums[index + 1]}}, {{sums[index + 2], sums[index + 3]}}};
      writer.write(box, in_box, first_column + box_column + in_box, two_rows);
    }
    if (by_boxes)
      staging.send(out, box, first_row, first_column + box_column);
    else
      staging.template write_out<Word>(p, box, first_row, first_column + box_column);
  }
}

}  // namespace immabench::inline SIMT_TARGET
