// Integers of one scale to int8 codes of another, for sm_80 and later: accumulators of a GEMM, or codes.
//
//   v[r,c]     = ((f32(x[r,c] - x_zero_point) * row_scale[r]) * col_scale[c]) + bias[c]      each step rounded, as in the
//   epilogue codes[r,c] = clamp(rint(v[r,c] / scale) + zero_point, qmin, qmax)                        of a GEMM
//   (parts/epilogue.cuh)
//
// x: int32, or int8 with its own zero point. Scales are one for all or one each; what is absent is an identity: 1, and for the
// bias -0. scale and zero_point of the result are one for all. A vector is 4 elements beside the 16 bytes of a column's scales
// or of int32, and 16 of int8 without those; the ragged variant takes any number of columns and any addresses.
#pragma once
#include <quantize/codes.cuh>
#include <quantize/vector_grid.cuh>

namespace immabench::inline SIMT_TARGET {

struct RequantizeParameters {
  simt::Global<void> x;
  simt::Global<simt::i32> x_zero_point;
  simt::Global<float> row_scale, col_scale, bias;
  int row_scale_stride, col_scale_stride;
  simt::Global<float> scale;
  simt::Global<simt::i32> zero_point;
  CodeView codes;
  CodeRange range;
  VectorGrid grid;
};

// What the columns of a vector are scaled and shifted by.
template <int kWidth, bool kAligned>
struct ColumnTerms {
  simt::Vector<float, kWidth> scale, bias;

  SIMT_DEVICE void load(const RequantizeParameters& p, int column, int count) {
    const float one = p.col_scale && !p.col_scale_stride ? simt::load_global(p.col_scale) : 1.0f;
    SIMT_UNROLL
    for (int i = 0; i < kWidth; ++i) scale[i] = one, bias[i] = -0.0f;
    if constexpr (kWidth == 4) {
      if (p.col_scale && p.col_scale_stride) scale = load_vector<kWidth, kAligned>(p.col_scale + column, count);
      if (p.bias) bias = load_vector<kWidth, kAligned>(p.bias + column, count);
    }
  }
};

// X: int32 or int8. kWidth: 4, or 16 where nothing is given a column.
template <class X, int kWidth, bool kAligned>
SIMT_KERNEL_BESIDE(kElementwiseThreads, kElementwiseBlocks)
requantize_kernel(SIMT_PARAMETERS RequantizeParameters p) {
  const int x_zero_point = p.x_zero_point ? simt::load_global(p.x_zero_point) : 0;
  const float scale = simt::load_global(p.scale), reciprocal = simt::divide_rn(1.0f, scale);
  const int zero_point = p.zero_point ? simt::load_global(p.zero_point) : 0;
  struct Loaded {
    simt::Vector<X, kWidth> x;
    float row_scale;
    ColumnTerms<kWidth, kAligned> columns;
  };
  const auto load = [&](const VectorGrid::Place& at, int count) {
    Loaded loaded;
    loaded.x = load_vector<kWidth, kAligned>(p.x.template as<X>() + p.grid.index(at), count);
    loaded.row_scale = p.row_scale ? simt::load_global(p.row_scale + simt::i64(at.row) * p.row_scale_stride) : 1.0f;
    loaded.columns.load(p, at.column, count);
    return loaded;
  };
  const auto finish = [&](const VectorGrid::Place& at, int count, const Loaded& loaded) {
    simt::Vector<float, kWidth> values;
    SIMT_UNROLL
    for (int i = 0; i < kWidth; ++i) {
      const float rows_scaled = simt::multiply_rn(simt::to_float_rn(loaded.x[i] - x_zero_point), loaded.row_scale);
      values[i] = simt::add_rn(simt::multiply_rn(rows_scaled, loaded.columns.scale[i]), loaded.columns.bias[i]);
    }
    CodeVector<kWidth> codes = rounded_quotients(values, scale, reciprocal);
    SIMT_UNROLL
    for (int i = 0; i < kWidth; ++i) codes[i] = shift_into(codes[i], zero_point, p.range);
    p.codes.template store<kWidth, kAligned>(p.grid.index(at), codes, count);
  };
  for_each_vector<kWidth, kAligned>(p.grid, load, finish);
}

// ---- on the host, for both targets

template <class X, int kWidth>
Plan<RequantizeParameters> requantize_plan(const RequantizeArguments& a) {
  const std::uint64_t by_column = (a.col_scale_stride ? a.col_scale : 0) | a.bias;
  const bool aligned = is_aligned(a.columns, kWidth, {{kWidth * int(sizeof(X)), a.x}, {kWidth, a.codes}, {16, by_column}});
  const RequantizeParameters parameters{
      {a.x},          {a.x_zero_point},           {a.row_scale},      {a.col_scale},
      {a.bias},       a.row_scale_stride,         a.col_scale_stride, {a.scale},
      {a.zero_point}, {{a.codes}, CodeType::kS8}, {a.qmin, a.qmax},   make_grid(a.rows, a.columns, kWidth)};
  return elementwise_plan(aligned ? &requantize_kernel<X, kWidth, true> : &requantize_kernel<X, kWidth, false>, parameters);
}

inline Plan<RequantizeParameters> plan(const RequantizeArguments& a) {
  if (a.accumulators) return requantize_plan<simt::i32, 4>(a);
  const bool by_column = a.bias || (a.col_scale && a.col_scale_stride);
  return by_column ? requantize_plan<simt::i8, 4>(a) : requantize_plan<simt::i8, 16>(a);
}

}  // namespace immabench::inline SIMT_TARGET
