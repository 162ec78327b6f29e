// What is found row by row: dynamic scales, LayerNorm before quantization, softmax codes.
#include <attention/softmax_codes.cuh>
#include <cmath>
#include <cpu/blocks.hpp>
#include <cpu/cpu.hpp>
#include <cpu/parallel.hpp>
#include <limits>
#include <vector>

namespace immabench::cpu {
namespace {

// ---- codes of a row by its own range

struct RowScale {
  float scale;
  i32 zero;
  int qmin, qmax;
};

// The largest magnitudes of finite values: as bits, whose order is that of magnitudes.
float largest_magnitude(const float* values, i64 count) {
  i32 largest = 0;
  for (i64 i = 0; i < count; ++i) {
    const i32 magnitude = i32(bits_of(values[i]) & 0x7FFFFFFF);
    largest = std::max(largest, magnitude < 0x7F800000 ? magnitude : 0);
  }
  return float_of(u32(largest));
}
struct Ends {
  float low, high;
};
Ends range_with_zero(const float* values, i64 count) {
  i32 below = 0, above = 0;
  for (i64 i = 0; i < count; ++i) {
    const i32 bits = i32(bits_of(values[i])), magnitude = bits & 0x7FFFFFFF, negative = bits >> 31;
    const i32 finite = magnitude < 0x7F800000 ? magnitude : 0;
    below = std::max(below, finite & negative);
    above = std::max(above, finite & ~negative);
  }
  return {-float_of(u32(below)), float_of(u32(above))};
}

float positive_or_one(float scale) { return scale > 0 ? scale : 1.0f; }

RowScale find_scale(const float* values, i64 count, bool asymmetric) {
  if (!asymmetric) return {positive_or_one(largest_magnitude(values, count) / 127.0f), 0, -127, 127};
  const Ends ends = range_with_zero(values, count);
  const float scale = positive_or_one(std::min(ends.high - ends.low, std::numeric_limits<float>::max()) / 255.0f);
  const i32 zero = std::clamp(simt::to_int_rn(-ends.low / scale), 0, 255) - 128;
  return {scale, zero, -128, 127};
}

i32 sum_of(const i8* codes, i64 count) {
  i32 sum = 0;
  for (i64 i = 0; i < count; ++i) sum += codes[i];
  return sum;
}

// Writes what a row's outputs are, those that are wanted. A given scale is the same for all rows, and not written.
template <class Arguments>
void write_codes(const Arguments& a, const float* values, i64 row, const RowScale& by, bool own_scale) {
  i8* codes = writable<i8>(a.codes) + row * a.columns;
  for (i64 i = 0; i < a.columns; i += kBlock) {
    quantize_block(values + i, Uniform<float>{by.scale}, Uniform<i32>{by.zero}, float(by.qmin), float(by.qmax), codes + i,
                   int(std::min<i64>(kBlock, a.columns - i)));
  }
  if (a.row_sum) writable<i32>(a.row_sum)[row] = sum_of(codes, a.columns);
  if (!own_scale) return;
  writable<float>(a.scale)[row] = by.scale;
  if (a.zero_point) writable<i32>(a.zero_point)[row] = by.zero;
}

struct QuantizeDynamic {
  const QuantizeDynamicArguments& a;

  void operator()(i64 begin, i64 end) const {
    std::vector<float> buffer(a.type == FloatType::kF32 ? 0 : std::size_t(a.columns));
    for (i64 row = begin; row < end; ++row) {
      const float* values = widened(a.type, a.x, row * a.columns, buffer.data(), a.columns);
      write_codes(a, values, row, find_scale(values, a.columns, a.zero_point != 0), true);
    }
  }
};

// ---- LayerNorm

constexpr int kPartialSums = 256, kSumVector = 4, kSumGroup = kPartialSums * kSumVector;
constexpr i64 kPadding = 16 * kSumVector;  // rows are padded to whole vectors of partial sums, by zeros, which change none

i64 padded(i64 columns) { return (columns + kPadding - 1) / kPadding * kPadding; }

void add_upper(float* __restrict lower, const float* __restrict upper, int count) {
  for (int p = 0; p < count; ++p) lower[p] += upper[p];
}

// The sum of `count` values in the order that is specified.
float sum_row(const float* values, i64 count) {
  alignas(64) float partial[kPartialSums] = {};
  for (; count > 0; count -= kSumGroup, values += kSumGroup) {
    const int vectors = int(std::min<i64>(count, kSumGroup)) / kSumVector;
    for (int p = 0; p < vectors; ++p) {
      float sum = partial[p] + values[4 * p];
      sum += values[4 * p + 1];
      sum += values[4 * p + 2];
      partial[p] = sum + values[4 * p + 3];
    }
  }
  for (int half = kPartialSums / 2; half > 0; half /= 2) add_upper(partial, partial + half, half);
  return partial[0];
}

template <class Half>
void add_rounded(float* __restrict h, const u16* __restrict residual, i64 count) {
  for (i64 i = 0; i < count; ++i) h[i] = Half::widen(Half::round(h[i] + Half::widen(residual[i])));
}
template <class Half>
void round_and_store(float* __restrict y, u16* __restrict normalised, i64 count) {
  for (i64 i = 0; i < count; ++i) {
    const u16 stored = Half::round(y[i]);
    if (normalised) normalised[i] = stored;
    y[i] = Half::widen(stored);
  }
}
void store_floats(const float* __restrict y, float* __restrict normalised, i64 count) {
  for (i64 i = 0; i < count; ++i) normalised[i] = y[i] == y[i] ? y[i] : float_of(0x7FFFFFFF);
}

struct LayerNormQuantize {
  const LayerNormQuantizeArguments& a;

  void operator()(i64 begin, i64 end) const {
    const std::size_t count = std::size_t(padded(a.columns));
    std::vector<float> memory(2 * count);
    for (i64 row = begin; row < end; ++row) {
      float* h = memory.data();
      load(row, h);
      normalise(h, h + count);
      store(row, h);
      write_codes(a, h, row, scale_of(h), a.dynamic);
    }
  }

 private:
  void load(i64 row, float* h) const {
    const i64 first = row * a.columns;
    const float* x = widened(a.type, a.x, first, h, a.columns);
    if (x != h) copy_floats(x, h, a.columns);
    if (!a.residual) return;
    if (a.type == FloatType::kF16) return add_rounded<F16>(h, at<u16>(a.residual) + first, a.columns);
    if (a.type == FloatType::kBF16) return add_rounded<BF16>(h, at<u16>(a.residual) + first, a.columns);
    add_upper(h, at<float>(a.residual) + first, a.columns);
  }

  // h becomes y. Both end in zeros.
  void normalise(float* __restrict h, float* __restrict squares) const {
    const i64 count = padded(a.columns);
    const float columns = float(a.columns), mean = sum_row(h, count) / columns;
    for (i64 i = 0; i < a.columns; ++i) {
      h[i] -= mean;
      squares[i] = h[i] * h[i];
    }
    const float variance = sum_row(squares, count) / columns, factor = 1.0f / std::sqrt(variance + a.eps);
    const float* __restrict gamma = at<float>(a.gamma);
    const float* __restrict beta = at<float>(a.beta);
    for (i64 i = 0; i < a.columns; ++i) h[i] = h[i] * factor * gamma[i] + beta[i];
  }

  void store(i64 row, float* y) const {
    const i64 first = row * a.columns;
    u16* halves = a.normalised ? writable<u16>(a.normalised) + first : nullptr;
    if (a.type == FloatType::kF16) return round_and_store<F16>(y, halves, a.columns);
    if (a.type == FloatType::kBF16) return round_and_store<BF16>(y, halves, a.columns);
    if (a.normalised) store_floats(y, writable<float>(a.normalised) + first, a.columns);
  }

  RowScale scale_of(const float* y) const {
    if (a.dynamic) return find_scale(y, a.columns, a.zero_point != 0);
    return {*at<float>(a.scale), a.zero_point ? *at<i32>(a.zero_point) : 0, a.qmin, a.qmax};
  }
};

// ---- softmax

constexpr int kCodeOffset = 128;  // codes 0 to 255 are stored as int8

struct SoftmaxQuantize {
  const SoftmaxQuantizeArguments& a;

  void operator()(i64 begin, i64 end) const {
    const SoftmaxCodes exponential(a.scale);
    for (i64 row = begin; row < end; ++row) {
      const i32 length = a.lengths ? at<i32>(a.lengths)[row / a.rows_per_length] : a.columns;
      const int keys = std::clamp(length, 0, a.columns);
      i8* codes = writable<i8>(a.codes) + row * a.columns;
      const i32 sum = row_codes(exponential, at<i32>(a.x) + row * a.columns, codes, keys);
      std::fill(codes + keys, codes + a.columns, i8(-kCodeOffset));
      writable<float>(a.row_scale)[row] = 1.0f / float(std::max(sum, 1));
    }
  }

 private:
  static i32 largest_of(const i32* scores, int keys) {
    i32 largest = std::numeric_limits<i32>::min();
    for (int i = 0; i < keys; ++i) largest = std::max(largest, scores[i]);
    return largest;
  }

  // Writes codes, and returns the sum of what they stand for.
  static i32 row_codes(const SoftmaxCodes& exponential, const i32* __restrict scores, i8* __restrict codes, int keys) {
    const u32 largest = u32(largest_of(scores, keys));
    const SoftmaxCodes by = exponential;  // a copy, since codes could be the bytes of anything
    for (int i = 0; i < keys; ++i) {
      const u32 exact = largest - u32(scores[i]), distance = exact < 0x7FFFFFFF ? exact : 0x7FFFFFFF;
      codes[i] = i8(by.code(float(i32(distance))) - kCodeOffset);
    }
    return sum_of(codes, keys) + kCodeOffset * keys;
  }
};

}  // namespace

// Rows are gone through several times, in the nearest cache.
void compute(const QuantizeDynamicArguments& a, int threads) { run(QuantizeDynamic{a}, a.rows, 2 * i64{a.columns}, threads); }
void compute(const LayerNormQuantizeArguments& a, int threads) {
  run(LayerNormQuantize{a}, a.rows, 4 * i64{a.columns}, threads);
}
void compute(const SoftmaxQuantizeArguments& a, int threads) { run(SoftmaxQuantize{a}, a.rows, 2 * i64{a.columns}, threads); }

}  // namespace immabench::cpu
