// LayerNorm over the last axis and quantization of its result, for sm_80 and later.
//
//   h = round(x + residual), or x       y = round((((h - mean) * (1 / sqrt(var + eps))) * gamma) + beta)
//   codes of y with a scale for all (quantize.cuh) or each row's own (quantize_dynamic.cuh)
//
// x, residual and the optional output `normalised` (y) are f32, f16 or bf16, all alike; `round` is to that type, so that the
// codes are those of the same three steps one after another. gamma and beta: float32 [columns]. fp32 throughout, no fused step;
// sums over a row are in the order docs/numerics.md ("LayerNorm") states, whatever the configuration.
//
//   x (+ residual) --> registers --sum--> mean --sum of squares--> 1 / sqrt --gamma, beta--> y --(max)--> scale --> codes
//
// A vector is 4 elements for every type, so that 16 bytes of gamma and of beta go with it. One pass over global memory while
// the row fits the registers of its threads, else each step reads it again. Variants as in quantize_dynamic.cuh.
#pragma once
#include <quantize/row_codes.cuh>

namespace immabench::inline SIMT_TARGET {

struct LayerNormQuantizeParameters {
  simt::Global<void> x, residual, normalised;
  simt::Global<float> gamma, beta;
  float eps;
  bool dynamic;
  CodeRange range;  // of codes with a given scale
  RowOutputs out;   // whose scale and zero point are inputs where they are given
  int rows, columns;
};

// The sum of term(value) over the row's elements.
template <class Place, class Row, class Reduction, class Term>
SIMT_DEVICE float sum_row(const Place& place, const Row& row, Reduction& reduction, Term&& term) {
  float partial[Reduction::kOwnSums] = {};
  row.each([&](int number, int vector, const auto& values) {
    float& sum = partial[number % Reduction::kOwnSums];
    SIMT_UNROLL
    for (int i = 0; i < kSumVector; ++i) {
      if (place.has(vector, i)) sum = simt::add_rn(sum, term(values[i]));
    }
  });
  return reduction.sum(partial);
}

template <class Element, int kCount>
SIMT_DEVICE simt::Vector<float, kCount> rounded(const simt::Vector<float, kCount>& values) {
  return widen<Element>(Element::round(values));
}

SIMT_DEVICE simt::Vector<float, kSumVector> add_each(simt::Vector<float, kSumVector> a,
                                                     const simt::Vector<float, kSumVector>& b) {
  SIMT_UNROLL
  for (int i = 0; i < kSumVector; ++i) a[i] = simt::add_rn(a[i], b[i]);
  return a;
}

// x and residual, or gamma and beta.
template <class Vector>
struct Terms {
  Vector first, second;
};

template <class Element, class Config, bool kAligned, bool kResident>
SIMT_KERNEL_BESIDE(Config::config.block_threads(), Config::config.blocks_beside())
layernorm_quantize_kernel(SIMT_PARAMETERS LayerNormQuantizeParameters p) {
  using Stored = typename Element::Stored;
  using Values = simt::Vector<float, kSumVector>;
  const RowPlace<Config, kSumVector, kAligned> place(p.rows, p.columns);
  RowReduction<Config> reduction;
  // What lambdas hold, they hold by value: a streamed row calls them in its loops.
  const auto x = p.x.template as<Stored>(), residual = p.residual.template as<Stored>();
  const auto fetch = [=](int vector) {
    Terms<simt::Vector<Stored, kSumVector>> terms;
    terms.first = load_vector<kSumVector, kAligned>(x + place.index(vector), place.count(vector));
    if (residual) terms.second = load_vector<kSumVector, kAligned>(residual + place.index(vector), place.count(vector));
    return terms;
  };
  const auto add = [=](const Terms<simt::Vector<Stored, kSumVector>>& terms) {
    const Values values = widen<Element>(terms.first);
    return residual ? rounded<Element>(add_each(values, widen<Element>(terms.second))) : values;
  };
  auto row = make_row<kResident>(place, fetch, add);

  const float columns = simt::to_float_rn(p.columns);
  const float mean = simt::divide_rn(sum_row(place, row, reduction, [](float h) { return h; }), columns);
  const float squares = sum_row(place, row, reduction, [&](float h) {
    const float centred = simt::add_rn(h, -mean);
    return simt::multiply_rn(centred, centred);
  });
  const float variance = simt::divide_rn(squares, columns);
  const float factor = simt::divide_rn(1.0f, simt::sqrt_rn(simt::add_rn(variance, p.eps)));

  const auto gamma = p.gamma, beta = p.beta;
  const auto fetch_affine = [=](int vector) {
    return Terms<Values>{load_vector<kSumVector, kAligned>(gamma + vector * kSumVector, place.count(vector)),
                         load_vector<kSumVector, kAligned>(beta + vector * kSumVector, place.count(vector))};
  };
  auto&& normalised = row.map(fetch_affine, [=](int vector, const Values& h, const Terms<Values>& affine) {
    Values y{};
    SIMT_UNROLL
    for (int i = 0; i < kSumVector; ++i) {
      const float centred = simt::add_rn(h[i], -mean);
      const float scaled = simt::multiply_rn(simt::multiply_rn(centred, factor), affine.first[i]);
      if (place.has(vector, i)) y[i] = simt::add_rn(scaled, affine.second[i]);
    }
    return rounded<Element>(y);
  });
  if (p.normalised) {
    normalised.each([&](int, int vector, const Values& y) {
      const auto to = p.normalised.template as<Stored>() + place.index(vector);
      store_vector<kAligned>(to, Element::round(y), place.count(vector));
    });
  }
  RowScale scale;
  if (p.dynamic) {
    scale = find_scale(place, normalised, reduction, p.out);
  } else {
    const int zero_point = p.out.zero_point ? simt::load_global(p.out.zero_point) : 0;
    scale = {simt::load_global(p.out.scale), zero_point, p.range};
  }
  write_codes<kSumVector, kAligned>(place, normalised, reduction, scale, p.out);
}

// ---- on the host, for both targets

template <class Element, class Config>
Plan<LayerNormQuantizeParameters> layernorm_quantize_plan(const LayerNormQuantizeArguments& a) {
  constexpr int kBytes = kSumVector * int(sizeof(typename Element::Stored));
  const LayerNormQuantizeParameters parameters{
      {a.x},     {a.residual},     {a.normalised},
      {a.gamma}, {a.beta},         a.eps,
      a.dynamic, {a.qmin, a.qmax}, {{{a.codes}, CodeType::kS8}, {a.scale}, {a.zero_point}, {a.row_sum}},
      a.rows,    a.columns};
  const bool aligned = is_aligned(a.columns, kSumVector,
                                  {{kBytes, a.x | a.residual | a.normalised}, {16, a.gamma | a.beta}, {kSumVector, a.codes}});
  return with_row_variant<Config>(a.columns, aligned, [&]<bool kAligned, bool kResident>() {
    return row_plan<Config>(&layernorm_quantize_kernel<Element, Config, kAligned, kResident>, parameters, a.rows);
  });
}

template <class Config>
Plan<LayerNormQuantizeParameters> plan(const LayerNormQuantizeArguments& a) {
  return with_element(a.type, [&]<class Element>() { return layernorm_quantize_plan<Element, Config>(a); });
}

}  // namespace immabench::inline SIMT_TARGET
