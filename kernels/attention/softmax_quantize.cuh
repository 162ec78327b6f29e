// The softmax of attention between two GEMMs, for sm_80 and later: int32 scores become 8-bit codes and a scale of each row.
//
//   p = rint(255 * exp((score - largest) * scale))       codes = p - 128       row_scale = 1 / sum of p
//
// over the first lengths[row / rows_per_length] columns; p is 0 beyond. x: int32 [rows, columns], sums of Q K^T; codes: int8,
// which the product with V takes with a zero point of -128 and `row_scale`, float32 [rows]. A row without columns that count
// has codes of -128 and the scale 1.
//
//   row --16 bytes a thread--> registers --max--> [shared: a word a warp] --> codes --> global --sum--> row_scale
//
// The largest score and the sum are integers, so that every configuration gives the same bits, and so does the fused kernel
// (attention_s8.cuh). Threads, passes and variants as in quantize/quantize_dynamic.cuh.
#pragma once
#include <attention/attention.hpp>
#include <attention/softmax_codes.cuh>
#include <climits>
#include <quantize/row_codes.cuh>

namespace immabench::inline SIMT_TARGET {

struct SoftmaxQuantizeParameters {
  simt::Global<simt::i32> x;
  CodeView codes;
  simt::Global<float> row_scale;
  simt::Global<simt::i32> lengths;
  float scale;
  int rows, columns, rows_per_length;
};

// How many of a row's columns count.
template <class Place>
SIMT_DEVICE int counting_columns(const SoftmaxQuantizeParameters& p, const Place& place) {
  if (!p.lengths || !place.vectors) return p.columns;
  return clamp(simt::load_global(p.lengths + place.row / p.rows_per_length), 0, p.columns);
}

// largest - score, at most the largest int32: scores of attention are less than 2^22 apart.
SIMT_DEVICE float distance_below(int largest, int score) {
  const simt::u32 distance = simt::u32(largest) - simt::u32(score);
  return simt::to_float_rn(distance < simt::u32(INT_MAX) ? int(distance) : INT_MAX);
}

template <class Config, bool kAligned, bool kResident>
SIMT_KERNEL_BESIDE(Config::config.block_threads(), Config::config.blocks_beside())
softmax_quantize_kernel(SIMT_PARAMETERS SoftmaxQuantizeParameters p) {
  constexpr int kVector = kPerAccess<simt::i32>;
  using Scores = simt::Vector<simt::i32, kVector>;
  const RowPlace<Config, kVector, kAligned> place(p.rows, p.columns);
  RowReduction<Config> reduction;
  const auto x = p.x;
  const auto fetch = [x, place](int vector) {
    return load_vector<kVector, kAligned>(x + place.index(vector), place.count(vector));
  };
  const auto row = make_row<kResident>(place, fetch, [](const Scores& scores) { return scores; });
  const int counting = counting_columns(p, place);

  int largest = INT_MIN;
  row.each([&](int, int vector, const Scores& scores) {
    SIMT_UNROLL
    for (int i = 0; i < kVector; ++i) {
      if (vector * kVector + i < counting && scores[i] > largest) largest = scores[i];
    }
  });
  largest = reduction.max(largest);

  const SoftmaxCodes softmax(p.scale);
  int sum = 0;
  row.each([&](int, int vector, const Scores& scores) {
    CodeVector<kVector> codes;
    SIMT_UNROLL
    for (int i = 0; i < kVector; ++i) {
      const int code = softmax.code(distance_below(largest, scores[i]));
      codes[i] = vector * kVector + i < counting ? code : 0;
      sum += codes[i];
      codes[i] -= 128;
    }
    p.codes.template store<kVector, kAligned>(place.index(vector), codes, place.count(vector));
  });
  sum = reduction.sum(sum);
  if (place.leads()) simt::store_global(p.row_scale + place.row, simt::divide_rn(1.0f, simt::to_float_rn(sum ? sum : 1)));
}

// ---- on the host, for both targets

template <class Config>
Plan<SoftmaxQuantizeParameters> plan(const SoftmaxQuantizeArguments& a) {
  constexpr int kVector = kPerAccess<simt::i32>;
  const SoftmaxQuantizeParameters parameters{{a.x},     {{a.codes}, CodeType::kS8}, {a.row_scale}, {a.lengths}, a.scale, a.rows,
                                             a.columns, a.rows_per_length};
  const bool aligned = is_aligned(a.columns, kVector, {{16, a.x}, {kVector, a.codes}});
  return with_row_variant<Config>(a.columns, aligned, [&]<bool kAligned, bool kResident>() {
    return row_plan<Config>(&softmax_quantize_kernel<Config, kAligned, kResident>, parameters, a.rows);
  });
}

}  // namespace immabench::inline SIMT_TARGET
