// From int32 accumulators to the output: out = ((acc * row_scale) * col_scale) + bias in fp32, each step rounded to nearest
// even, then one rounding to the output type; or the accumulators themselves. docs/numerics.md is the specification.
#pragma once
#include <gemm/output_type.hpp>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// Absent vectors are null. A stride of 0 applies one scale to all rows (columns), 1 one each.
struct EpilogueParameters {
  simt::Global<void> out;  // row-major [m, n]
  simt::Global<float> row_scale, col_scale, bias;
  int row_scale_stride, col_scale_stride;
  int m, n;
  OutputType output;
  bool vectorised;  // four neighbouring outputs of a row (and their scales and biases) may move as one
};

// One warp writes its kWarpN-wide accumulators, 16 rows at a time, through its own slab of shared memory: fragments hold pairs
// of columns scattered over 8 rows, memory wants whole row segments. A slab row is kWarpN int32; four of them are a chunk.
//
//   write (8 bytes a lane, a half-warp at a time): 4 rows x 32 bytes      read (16 bytes a lane, a quarter-warp at a time):
//   must fall into 4 different 32-byte groups of a 128-byte line          8 chunks in a row must fill a line
//
// Swapping chunk pairs by row does both.
template <int kWarpN>
struct EpilogueSlab {
  static constexpr int kRows = 16, kColumnsPerChunk = 4, kChunks = kWarpN / kColumnsPerChunk;
  static constexpr int kBytes = kRows * kWarpN * 4;
  static_assert(kChunks % 4 == 0, "a slab row is at least 64 bytes");

  simt::u32 base;  // this warp's slab

  SIMT_CALLABLE static constexpr simt::u32 offset(int row, int chunk) {
    const int swap = kChunks >= 8 ? row % 4 * 2 : row / 2 % 2 * 2;
    return simt::u32((row * kChunks + (chunk ^ swap)) * 16);
  }

  SIMT_DEVICE void write(const simt::i32 (&accumulators)[kWarpN / 8][4]) const {
    const int lane = int(simt::lane_index()), row = lane / 4, quad = lane % 4;
    SIMT_UNROLL
    for (int j = 0; j < kWarpN / 8; ++j) {
      SIMT_UNROLL
      for (int half = 0; half < 2; ++half) {
        const simt::u32 chunk = base + offset(row + 8 * half, 2 * j + quad / 2);
        simt::store_shared(chunk + quad % 2 * 8,
                           simt::Vector<simt::i32, 2>{accumulators[j][2 * half], accumulators[j][2 * half + 1]});
      }
    }
  }

  SIMT_DEVICE simt::Vector<simt::i32, 4> read(int row, int chunk) const {
    return simt::load_shared<simt::Vector<simt::i32, 4>>(base + offset(row, chunk));
  }
};

// The per-column parameters of a lane's neighbouring columns. Identities stand for what is absent: 1 for a scale, and for the
// bias -0, the only number that leaves every x unchanged when added, -0 included.
template <int kColumns>
struct ColumnParameters {
  simt::Vector<float, kColumns> scale, bias;

  SIMT_DEVICE void load(const EpilogueParameters& p, int column) {
    SIMT_UNROLL
    for (int i = 0; i < kColumns; ++i) scale[i] = 1.0f, bias[i] = -0.0f;
    if (p.col_scale) load_each(scale, p.col_scale, p.col_scale_stride, p, column);
    if (p.bias) load_each(bias, p.bias, 1, p, column);
  }

 private:
  SIMT_DEVICE static void load_each(simt::Vector<float, kColumns>& values, simt::Global<float> from, int stride,
                                    const EpilogueParameters& p, int column) {
    if (stride && p.vectorised) {
      if (column < p.n) values = simt::load_global((from + column).template as<simt::Vector<float, kColumns>>());
      return;
    }
    SIMT_UNROLL
    for (int i = 0; i < kColumns; ++i) {
      if (column + i < p.n) values[i] = simt::load_global(from + simt::i64(column + i) * stride);
    }
  }
};

SIMT_DEVICE float row_scale_of(const EpilogueParameters& p, int row) {
  return p.row_scale ? simt::load_global(p.row_scale + simt::i64(row) * p.row_scale_stride) : 1.0f;
}

template <int kColumns>
SIMT_DEVICE simt::Vector<float, kColumns> apply_epilogue(const simt::Vector<simt::i32, kColumns>& accumulators, float row_scale,
                                                         const ColumnParameters<kColumns>& columns) {
  simt::Vector<float, kColumns> result;
  SIMT_UNROLL
  for (int i = 0; i < kColumns; ++i) {
    const float rows_scaled = simt::multiply_rn(simt::to_float_rn(accumulators[i]), row_scale);
    result[i] = simt::add_rn(simt::multiply_rn(rows_scaled, columns.scale[i]), columns.bias[i]);
  }
  return result;
}

// Stores four neighbouring outputs as one, or those of them that exist one by one.
template <class T>
SIMT_DEVICE void store_four(const EpilogueParameters& p, int row, int column, const simt::Vector<T, 4>& four) {
  const auto out = p.out.template as<T>() + (simt::i64(row) * p.n + column);
  if (p.vectorised) {
    simt::store_global(out.template as<simt::Vector<T, 4>>(), four);
    return;
  }
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) {
    if (column + i < p.n) simt::store_global(out + i, four[i]);
  }
}

// `pack` makes two 16-bit floats of two floats.
template <class Pack>
SIMT_DEVICE simt::Vector<simt::u16, 4> round_four(const simt::Vector<float, 4>& four, Pack&& pack) {
  const simt::u32 low = pack(four[0], four[1]), high = pack(four[2], four[3]);
  return {{simt::u16(low), simt::u16(low >> 16), simt::u16(high), simt::u16(high >> 16)}};
}

// Four neighbouring sums of a row become outputs.
SIMT_DEVICE void finish_four(const EpilogueParameters& p, int row, int column, const simt::Vector<simt::i32, 4>& sums,
                             const ColumnParameters<4>& columns) {
  if (p.output == OutputType::kS32) return store_four(p, row, column, sums);
  const auto result = apply_epilogue(sums, row_scale_of(p, row), columns);
  if (p.output == OutputType::kF32)
    store_four(p, row, column, result);
  else if (p.output == OutputType::kF16)
    store_four(p, row, column, round_four(result, simt::pack_f16x2));
  else
    store_four(p, row, column, round_four(result, simt::pack_bf16x2));
}

SIMT_DEVICE void finish_one(const EpilogueParameters& p, int row, int column, simt::i32 sum) {
  const simt::i64 at = simt::i64(row) * p.n + column;
  if (p.output == OutputType::kS32) return simt::store_global(p.out.as<simt::i32>() + at, sum);
  ColumnParameters<1> columns;
  columns.load(p, column);
  const float result = apply_epilogue(simt::Vector<simt::i32, 1>{{sum}}, row_scale_of(p, row), columns)[0];
  if (p.output == OutputType::kF32)
    simt::store_global(p.out.as<float>() + at, result);
  else
    simt::store_global(p.out.as<simt::u16>() + at,
                       simt::u16(p.output == OutputType::kF16 ? simt::pack_f16x2(result, 0) : simt::pack_bf16x2(result, 0)));
}

// Writes rows [first_row, +16 kSlabs) and columns [first_column, +kWarpN) of the output from one warp's accumulators.
template <int kSlabs, int kWarpN>
SIMT_DEVICE void store_warp_tile(const EpilogueParameters& p, const simt::i32 (&accumulators)[kSlabs][kWarpN / 8][4],
                                 int first_row, int first_column, EpilogueSlab<kWarpN> slab) {
  using Slab = EpilogueSlab<kWarpN>;
  constexpr int kRowsPerPass = 32 / Slab::kChunks;
  const int lane = int(simt::lane_index()), chunk = lane % Slab::kChunks;
  const int column = first_column + chunk * Slab::kColumnsPerChunk;
  ColumnParameters<Slab::kColumnsPerChunk> columns;
  columns.load(p, column);
  SIMT_UNROLL
  for (int i = 0; i < kSlabs; ++i) {
    simt::syncwarp();  // everyone has read the previous slab
    slab.write(accumulators[i]);
    simt::syncwarp();
    SIMT_UNROLL
    for (int pass = 0; pass < Slab::kRows / kRowsPerPass; ++pass) {
      const int slab_row = pass * kRowsPerPass + lane / Slab::kChunks, row = first_row + i * Slab::kRows + slab_row;
      const auto four = slab.read(slab_row, chunk);
      if (row < p.m && column < p.n) finish_four(p, row, column, four, columns);
    }
  }
}

}  // namespace immabench::inline SIMT_TARGET
