// From sums to the output. In this order, each step rounded to nearest even in fp32, absent ones left out:
//
//   total = sum - a_zero[m] * b_sum[n]            int32, exact: what a zero point of A added to the sum
//   x     = ((f32(total) * row_scale[m]) * col_scale[n]) + bias[n]
//   y     = activation(x + residual[m, n])        a residual of int8 is f32(q - residual_zero) * residual_scale
//   out   = round(y), or clamp(rint(y / out_scale[n]) + out_zero[n]) for int8, or the total itself for int32
//
// docs/numerics.md is the specification.
#pragma once
#include <gemm/epilogue_arguments.hpp>
#include <parts/activation.cuh>
#include <simt/simt.cuh>
#include <type_traits>

namespace immabench::inline SIMT_TARGET {

// As EpilogueArguments, typed. Absent vectors are null. A stride of 0 applies one value to all rows (columns), 1 one each.
struct EpilogueParameters {
  simt::Global<void> out;  // row-major [m, n]; of a batch one product after the other
  simt::Global<simt::i32> a_zero, b_sum;
  simt::Global<float> row_scale, col_scale, bias;
  simt::Global<void> residual;
  simt::Global<float> residual_scale;
  simt::Global<simt::i32> residual_zero;
  simt::Global<float> out_scale;
  simt::Global<simt::i32> out_zero;
  int a_zero_stride, row_scale_stride, col_scale_stride, out_scale_stride, out_zero_stride;
  int m, n;
  OutputType output, residual_type;
  Activation activation;
  bool vectorised;  // four neighbouring outputs of a row (and what belongs to them) may move as one

  // Nothing but scales and a bias, which is little enough to be unrolled over all registers of sums.
  SIMT_CALLABLE bool scales_alone() const {
    return !a_zero && !residual && activation == Activation::kNone && output != OutputType::kS8;
  }
};

// The parameters of one product of a batch. All products' outputs are one tall matrix, of which this one's are the rows
// [index * m, (index + 1) * m): what belongs to rows is found by them. Vectors of columns are its own, if they are there.
SIMT_DEVICE EpilogueParameters epilogue_entry(EpilogueParameters p, int index) {
  const simt::i64 columns = simt::i64(index) * p.n;
  p.m *= index + 1;
  p.col_scale = p.col_scale + columns * p.col_scale_stride;
  p.out_scale = p.out_scale + columns * p.out_scale_stride;
  p.out_zero = p.out_zero + columns * p.out_zero_stride;
  if (p.b_sum) p.b_sum = p.b_sum + columns;
  if (p.bias) p.bias = p.bias + columns;
  return p;
}

// One warp writes its kWarpN-wide accumulators, 16 rows at a time, through its own slab of shared memory: fragments hold pairs
// of columns scattered over 8 rows, memory wants whole row segments. A slab row is kWarpN sums of 4 bytes; four of them are a
// chunk.
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

  template <class Sum>
  SIMT_DEVICE void write(const Sum (&accumulators)[kWarpN / 8][4]) const {
    const int lane = int(simt::lane_index()), row = lane / 4, quad = lane % 4;
    SIMT_UNROLL
    for (int j = 0; j < kWarpN / 8; ++j) {
      SIMT_UNROLL
      for (int half = 0; half < 2; ++half) {
        const simt::u32 chunk = base + offset(row + 8 * half, 2 * j + quad / 2);
        simt::store_shared(chunk + quad % 2 * 8,
                           simt::Vector<Sum, 2>{accumulators[j][2 * half], accumulators[j][2 * half + 1]});
      }
    }
  }

  template <class Sum>
  SIMT_DEVICE simt::Vector<Sum, 4> read(int row, int chunk) const {
    return simt::load_shared<simt::Vector<Sum, 4>>(base + offset(row, chunk));
  }
};

// The values of a vector at neighbouring columns; what lies past the end is left as it was.
template <class T, int kColumns>
SIMT_DEVICE void load_columns(simt::Vector<T, kColumns>& values, simt::Global<T> from, int stride, const EpilogueParameters& p,
                              int column) {
  if (stride && p.vectorised) {
    if (column < p.n) values = simt::load_global((from + column).template as<simt::Vector<T, kColumns>>());
    return;
  }
  SIMT_UNROLL
  for (int i = 0; i < kColumns; ++i) {
    if (column + i < p.n) values[i] = simt::load_global(from + simt::i64(column + i) * stride);
  }
}

// What every output of a lane's neighbouring columns needs, held in registers from row to row. Identities stand for what is
// absent: 1 for a scale, and for the bias -0, the only number that leaves every x unchanged when added, -0 included.
template <int kColumns>
struct ColumnParameters {
  simt::Vector<float, kColumns> scale, bias;

  SIMT_DEVICE void load(const EpilogueParameters& p, int column) {
    SIMT_UNROLL
    for (int i = 0; i < kColumns; ++i) scale[i] = 1.0f, bias[i] = -0.0f;
    if (p.col_scale) load_columns(scale, p.col_scale, p.col_scale_stride, p, column);
    if (p.bias) load_columns(bias, p.bias, 1, p, column);
  }
};

struct RowParameters {
  float scale = 1.0f;
  simt::i32 zero = 0;

  SIMT_DEVICE void load(const EpilogueParameters& p, int row) {
    if (p.row_scale) scale = simt::load_global(p.row_scale + simt::i64(row) * p.row_scale_stride);
    if (p.a_zero) zero = simt::load_global(p.a_zero + simt::i64(row) * p.a_zero_stride);
  }
};

// Sums without what the zero point of A added to them. Sums of floats have none.
template <int kColumns>
SIMT_DEVICE simt::Vector<simt::i32, kColumns> without_zero_point(const EpilogueParameters& p, int column,
                                                                 simt::Vector<simt::i32, kColumns> sums, simt::i32 a_zero) {
  if (!p.a_zero) return sums;
  simt::Vector<simt::i32, kColumns> b_sum{};
  load_columns(b_sum, p.b_sum, 1, p, column);
  SIMT_UNROLL
  for (int i = 0; i < kColumns; ++i) sums[i] -= a_zero * b_sum[i];
  return sums;
}
template <int kColumns>
SIMT_DEVICE simt::Vector<float, kColumns> without_zero_point(const EpilogueParameters&, int,
                                                             const simt::Vector<float, kColumns>& sums, simt::i32) {
  return sums;
}

SIMT_DEVICE float as_float(simt::i32 sum) { return simt::to_float_rn(sum); }
SIMT_DEVICE float as_float(float sum) { return sum; }

// kColumns neighbouring elements of the residual, as they are stored.
template <class T, int kColumns>
SIMT_DEVICE simt::Vector<T, kColumns> load_residual(const EpilogueParameters& p, int row, int column) {
  const auto from = p.residual.template as<T>() + (simt::i64(row) * p.n + column);
  if (p.vectorised) return simt::load_global(from.template as<simt::Vector<T, kColumns>>());
  simt::Vector<T, kColumns> stored{};
  SIMT_UNROLL
  for (int i = 0; i < kColumns; ++i) {
    if (column + i < p.n) stored[i] = simt::load_global(from + i);
  }
  return stored;
}

template <class T, int kColumns, class Decode>
SIMT_DEVICE void add_each(const EpilogueParameters& p, int row, int column, simt::Vector<float, kColumns>& x, Decode&& decode) {
  const auto stored = load_residual<T, kColumns>(p, row, column);
  SIMT_UNROLL
  for (int i = 0; i < kColumns; ++i) x[i] = simt::add_rn(x[i], decode(stored[i]));
}

template <int kColumns>
SIMT_DEVICE void add_residual(const EpilogueParameters& p, int row, int column, simt::Vector<float, kColumns>& x) {
  switch (p.residual_type) {
    case OutputType::kF32: return add_each<float>(p, row, column, x, [](float stored) { return stored; });
    case OutputType::kF16: return add_each<simt::u16>(p, row, column, x, [](simt::u16 bits) { return simt::from_f16(bits); });
    case OutputType::kBF16: return add_each<simt::u16>(p, row, column, x, [](simt::u16 bits) { return simt::from_bf16(bits); });
    default: break;
  }
  const float scale = simt::load_global(p.residual_scale);
  const simt::i32 zero = p.residual_zero ? simt::load_global(p.residual_zero) : 0;
  add_each<simt::i8>(p, row, column, x, [&](simt::i8 q) { return simt::multiply_rn(simt::to_float_rn(q - zero), scale); });
}

template <class Sum, int kColumns>
SIMT_DEVICE simt::Vector<float, kColumns> scaled(const simt::Vector<Sum, kColumns>& totals, float row_scale,
                                                 const ColumnParameters<kColumns>& columns) {
  simt::Vector<float, kColumns> x;
  SIMT_UNROLL
  for (int i = 0; i < kColumns; ++i) {
    const float rows_scaled = simt::multiply_rn(as_float(totals[i]), row_scale);
    x[i] = simt::add_rn(simt::multiply_rn(rows_scaled, columns.scale[i]), columns.bias[i]);
  }
  return x;
}

// Totals of neighbouring columns of a row, which must exist, become what is rounded to the output type.
template <class Sum, int kColumns>
SIMT_DEVICE simt::Vector<float, kColumns> epilogue_values(const EpilogueParameters& p, int row, int column,
                                                          const simt::Vector<Sum, kColumns>& totals, float row_scale,
                                                          const ColumnParameters<kColumns>& columns) {
  auto x = scaled(totals, row_scale, columns);
  if (p.residual) add_residual(p, row, column, x);
  if (p.activation != Activation::kNone) {
    SIMT_UNROLL
    for (int i = 0; i < kColumns; ++i) x[i] = activate(p.activation, x[i]);
  }
  return x;
}

SIMT_DEVICE simt::i8 quantize_s8(float x, float scale, simt::i32 zero) {
  // Clamped before the zero point is added, which then cannot overflow. A NaN became 0, so it becomes the zero point.
  const simt::i32 q = simt::to_int_rn(simt::divide_rn(x, scale)), low = -128 - zero, high = 127 - zero;
  return simt::i8((q < low ? low : q > high ? high : q) + zero);
}

template <int kColumns>
SIMT_DEVICE simt::Vector<simt::i8, kColumns> requantize(const EpilogueParameters& p, int column,
                                                        const simt::Vector<float, kColumns>& values) {
  simt::Vector<float, kColumns> scale;
  simt::Vector<simt::i32, kColumns> zero{};
  SIMT_UNROLL
  for (int i = 0; i < kColumns; ++i) scale[i] = 1.0f;
  load_columns(scale, p.out_scale, p.out_scale_stride, p, column);
  if (p.out_zero) load_columns(zero, p.out_zero, p.out_zero_stride, p, column);
  simt::Vector<simt::i8, kColumns> codes;
  SIMT_UNROLL
  for (int i = 0; i < kColumns; ++i) codes[i] = quantize_s8(values[i], scale[i], zero[i]);
  return codes;
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
template <class Sum>
SIMT_DEVICE void finish_four(const EpilogueParameters& p, int row, int column, const simt::Vector<Sum, 4>& sums,
                             const ColumnParameters<4>& columns) {
  RowParameters rows;
  rows.load(p, row);
  const auto totals = without_zero_point(p, column, sums, rows.zero);
  if constexpr (std::is_same_v<Sum, simt::i32>) {
    if (p.output == OutputType::kS32) return store_four(p, row, column, totals);
  }
  const auto values = epilogue_values(p, row, column, totals, rows.scale, columns);
  switch (p.output) {
    case OutputType::kF16: return store_four(p, row, column, round_four(values, simt::pack_f16x2));
    case OutputType::kBF16: return store_four(p, row, column, round_four(values, simt::pack_bf16x2));
    case OutputType::kS8: return store_four(p, row, column, requantize(p, column, values));
    default: return store_four(p, row, column, values);
  }
}

// Writes rows [first_row, +16 kSlabs) and columns [first_column, +kWarpN) of the output from one warp's accumulators.
template <class Sum, int kSlabs, int kWarpN>
SIMT_DEVICE void store_warp_tile(const EpilogueParameters& p, const Sum (&accumulators)[kSlabs][kWarpN / 8][4], int first_row,
                                 int first_column, EpilogueSlab<kWarpN> slab) {
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
    // Rolled: what may follow the sums is long code, and there is a copy of it for each slab already.
    SIMT_ROLLED
    for (int pass = 0; pass < Slab::kRows / kRowsPerPass; ++pass) {
      const int slab_row = pass * kRowsPerPass + lane / Slab::kChunks, row = first_row + i * Slab::kRows + slab_row;
      const auto four = slab.template read<Sum>(slab_row, chunk);
      if (row < p.m && column < p.n) finish_four(p, row, column, four, columns);
    }
  }
}

}  // namespace immabench::inline SIMT_TARGET
