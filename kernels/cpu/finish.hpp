// The epilogue, step by step over blocks that stay in the nearest cache: what a step leaves is read by the next one there.
#pragma once
#include <cpu/blocks.hpp>
#include <cpu/cpu.hpp>

namespace immabench::cpu {

// Zero points further away change nothing that a code shows but of values beyond 2^20 steps; so no sum of them overflows.
inline i32 near(i32 zero) { return std::clamp(zero, -(1 << 20), 1 << 20); }

// What belongs to the columns of a block, repeated for each of its rows. Identities stand for what is absent: 1 for scales,
// and -0 for the bias, the only number that leaves every x unchanged when added.
struct Columns {
  alignas(64) float scale[kBlock], bias[kBlock], out_scale[kBlock];
  alignas(64) i32 b_sum[kBlock], out_zero[kBlock];

  void load(const EpilogueArguments& e, i64 first, int width, int repeats) {
    fill(scale, e.col_scale, e.col_scale_stride, first, width, repeats, 1.0f);
    fill(bias, e.bias, 1, first, width, repeats, -0.0f);
    if (e.a_zero) fill(b_sum, e.b_sum, 1, first, width, repeats, 1);
    if (e.output != OutputType::kS8) return;
    fill(out_scale, e.out_scale, e.out_scale_stride, first, width, repeats, 1.0f);
    fill(out_zero, e.out_zero, e.out_zero_stride, first, width, repeats, 0);
    for (int i = 0; i < width * repeats; ++i) out_zero[i] = near(out_zero[i]);
  }

 private:
  template <class T>
  static void fill(T* to, std::uint64_t address, int stride, i64 first, int width, int repeats, T absent) {
    const T* from = at<T>(address);
    if (!from || !stride) std::fill_n(to, width * repeats, from ? *from : absent);
    for (int row = 0; from && stride && row < repeats; ++row) std::copy_n(from + first, width, to + row * width);
  }
};

inline i32 without(i32 sum, i32 zero, i32 b_sum) { return i32(u32(sum) - u32(zero) * u32(b_sum)); }
inline i32 without(i8 code, i32 zero, i32 one) { return without(i32(code), zero, one); }
inline float without(float sum, i32, i32) { return sum; }

template <class Sum>
void scale_block(const Sum* __restrict sums, const Columns& c, float row_scale, float* __restrict values, int count) {
  for (int i = 0; i < count; ++i) values[i] = float(sums[i]) * row_scale * c.scale[i] + c.bias[i];
}
template <class Sum>
void scale_block(const Sum* __restrict sums, const Columns& c, float row_scale, i32 zero, float* __restrict values, int count) {
  for (int i = 0; i < count; ++i) values[i] = float(without(sums[i], zero, c.b_sum[i])) * row_scale * c.scale[i] + c.bias[i];
}

template <class T, class Widen>
void add_block(float* __restrict values, const T* __restrict residual, Widen&& widen, int count) {
  for (int i = 0; i < count; ++i) values[i] += widen(residual[i]);
}

inline void add_residual(const EpilogueArguments& e, i64 index, float* values, int count) {
  switch (e.residual_type) {
    case OutputType::kF32: return add_block(values, at<float>(e.residual) + index, [](float x) { return x; }, count);
    case OutputType::kF16: return add_block(values, at<u16>(e.residual) + index, [](u16 x) { return F16::widen(x); }, count);
    case OutputType::kBF16: return add_block(values, at<u16>(e.residual) + index, [](u16 x) { return BF16::widen(x); }, count);
    default: break;
  }
  const float scale = *at<float>(e.residual_scale);
  const u32 zero = e.residual_zero ? u32(*at<i32>(e.residual_zero)) : 0;
  add_block(values, at<i8>(e.residual) + index, [=](i8 q) { return float(i32(u32(i32(q)) - zero)) * scale; }, count);
}

inline void activate_block(Activation activation, float* values, int count) {
  if (activation == Activation::kRelu) {
    for (int i = 0; i < count; ++i) values[i] = values[i] < 0.0f ? 0.0f : values[i];
  } else if (activation == Activation::kGelu) {
    for (int i = 0; i < count; ++i) values[i] = gelu(values[i]);
  }
}

inline void store_block(const FinishArguments& a, i64 index, const float* values, const Columns& c, int count) {
  const std::uint64_t out = a.out;
  switch (a.epilogue.output) {
    case OutputType::kF16: return round_to_half<F16>(values, writable<u16>(out) + index, count);
    case OutputType::kBF16: return round_to_half<BF16>(values, writable<u16>(out) + index, count);
    case OutputType::kS8:
      return quantize_block(values, c.out_scale, c.out_zero, float(a.qmin), float(a.qmax), writable<i8>(out) + index, count);
    default: return copy_floats(values, writable<float>(out) + index, count);
  }
}

// Rows of all products, which follow each other.
template <class Sum>
struct Finish {
  const FinishArguments& a;

  void operator()(i64 begin, i64 end) const {
    const int width = int(std::min<i64>(a.columns, kBlock)), repeats = a.columns > kBlock ? 1 : kBlock / width;
    while (begin < end) {
      const i64 product = begin / a.rows, last = std::min(end, (product + 1) * a.rows);
      for (i64 column = 0; column < a.columns; column += width) {
        const int here = int(std::min<i64>(width, a.columns - column));
        columns_of(product, begin, last, column, here, int(std::min<i64>(repeats, last - begin)));
      }
      begin = last;
    }
  }

 private:
  void columns_of(i64 product, i64 begin, i64 end, i64 column, int width, int repeats) const {
    Columns columns;
    columns.load(a.epilogue, product * a.columns + column, width, repeats);
    for (i64 row = begin; row < end; row += repeats)
      block(row, int(std::min<i64>(repeats, end - row)), row * a.columns + column, width, columns);
  }

  void block(i64 row, int rows, i64 index, int width, const Columns& columns) const {
    const EpilogueArguments& e = a.epilogue;
    const Sum* sums = at<Sum>(a.sums) + index;
    if (e.output == OutputType::kS32) return store_sums(row, rows, index, width, columns);
    alignas(64) float values[kBlock];
    if (e.row_scale_stride || e.a_zero_stride) {
      for (int i = 0; i < rows; ++i) scale(row + i, sums + i * width, columns, values + i * width, width);
    } else {
      scale(row, sums, columns, values, rows * width);
    }
    if (e.residual) add_residual(e, index, values, rows * width);
    activate_block(e.activation, values, rows * width);
    store_block(a, index, values, columns, rows * width);
  }

  void scale(i64 row, const Sum* sums, const Columns& columns, float* values, int count) const {
    const EpilogueArguments& e = a.epilogue;
    const float row_scale = e.row_scale ? at<float>(e.row_scale)[row * e.row_scale_stride] : 1.0f;
    if (!e.a_zero) return scale_block(sums, columns, row_scale, values, count);
    scale_block(sums, columns, row_scale, at<i32>(e.a_zero)[row * e.a_zero_stride], values, count);
  }

  void store_sums(i64 row, int rows, i64 index, int width, const Columns& columns) const {
    const EpilogueArguments& e = a.epilogue;
    for (int r = 0; r < rows; ++r) {
      const i32 zero = e.a_zero ? at<i32>(e.a_zero)[(row + r) * e.a_zero_stride] : 0;
      // The output may be the sums' own memory.
      const Sum* sums = at<Sum>(a.sums) + index + r * width;
      i32* out = writable<i32>(a.out) + index + r * width;
      for (int i = 0; i < width; ++i) out[i] = i32(without(sums[i], zero, e.a_zero ? columns.b_sum[i] : 0));
    }
  }
};

}  // namespace immabench::cpu
