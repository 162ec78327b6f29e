// Codes back to floats, for sm_80 and later.
//
//   out[r,c] = round(f32(codes[r,c] - zero_point) * scale)      an exact integer difference, one fp32 product, one rounding
//
// codes: int8, or int4 two a byte along the columns. out: f32, f16 or bf16. Scales and zero points, vectors and variants are
// those of quantize.cuh; a vector is the elements of 16 bytes of `out`.
#pragma once
#include <quantize/scaled_codes.cuh>

namespace immabench::inline SIMT_TARGET {

struct DequantizeParameters {
  CodeView codes;
  simt::Global<void> out;
  ScaleView scales;
  VectorGrid grid;
};

template <class Element, bool kPerColumn, bool kAligned>
SIMT_KERNEL_BESIDE(kElementwiseThreads, kElementwiseBlocks)
dequantize_kernel(SIMT_PARAMETERS DequantizeParameters p) {
  constexpr int kWidth = kScaledWidth<Element, kPerColumn>;
  struct Loaded {
    simt::Vector<simt::i8, kWidth> codes;
    ScaleVector<kWidth, kPerColumn, kAligned> scales;
  };
  const auto load = [&](const VectorGrid::Place& at, int count) {
    Loaded loaded;
    loaded.codes = p.codes.template fetch<kWidth, kAligned>(p.grid.index(at), count);
    loaded.scales.load(p.scales, at.row, at.column, count);
    return loaded;
  };
  const auto finish = [&](const VectorGrid::Place& at, int count, const Loaded& loaded) {
    const auto codes = p.codes.decode(loaded.codes);
    simt::Vector<float, kWidth> values;
    SIMT_UNROLL
    for (int i = 0; i < kWidth; ++i) {
      values[i] = simt::multiply_rn(simt::to_float_rn(codes[i] - loaded.scales.zero_point(i)), loaded.scales.scale(i));
    }
    store_vector<kAligned>(p.out.template as<typename Element::Stored>() + p.grid.index(at), Element::round(values), count);
  };
  for_each_vector<kWidth, kAligned>(p.grid, load, finish);
}

// ---- on the host, for both targets

inline Plan<DequantizeParameters> plan(const DequantizeArguments& a) {
  return with_scaled_variant(a, a.out, [&]<class Element, bool kPerColumn, bool kAligned>() {
    const VectorGrid grid = make_grid(a.rows, a.columns, kScaledWidth<Element, kPerColumn>);
    const DequantizeParameters parameters{{{a.codes}, a.code_type}, {a.out}, scale_view(a), grid};
    return elementwise_plan(&dequantize_kernel<Element, kPerColumn, kAligned>, parameters);
  });
}

}  // namespace immabench::inline SIMT_TARGET
