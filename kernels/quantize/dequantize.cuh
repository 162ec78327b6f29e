// Codes back to floats, for sm_80 and later.
//
//   out[r,c] = round(f32(codes[r,c] - zero_point) * scale)      an exact integer difference, one fp32 product, one rounding
//
// codes: int8, or int4 two a byte along the columns. out: f32, f16 or bf16. Scales and zero points, vectors and variants are
// those of quantize.cuh; a vector is the elements of 16 bytes of `out`.
#pragma once
#include <quantize/codes.cuh>
#include <quantize/vector_grid.cuh>

namespace immabench::inline SIMT_TARGET {

struct DequantizeParameters {
  CodeView codes;
  simt::Global<void> out;
  ScaleView scales;
  VectorGrid grid;
};

template <class Element, bool kPerColumn>
constexpr int kDequantizeWidth = kPerColumn ? 4 : kPerAccess<typename Element::Stored>;

template <class Element, bool kPerColumn, bool kAligned>
SIMT_KERNEL_BESIDE(kElementwiseThreads, kElementwiseBlocks)
dequantize_kernel(SIMT_PARAMETERS DequantizeParameters p) {
  constexpr int kWidth = kDequantizeWidth<Element, kPerColumn>;
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

template <class Element, bool kPerColumn>
Plan<DequantizeParameters> dequantize_plan(const DequantizeArguments& a) {
  constexpr int kWidth = kDequantizeWidth<Element, kPerColumn>, kStored = int(sizeof(typename Element::Stored));
  const bool aligned = is_aligned(a.columns, kWidth,
                                  {{kWidth * kStored, a.out},
                                   {a.code_type == CodeType::kS4 ? kWidth / 2 : kWidth, a.codes},
                                   {kPerColumn ? 16 : 4, a.scale | a.zero_point}});
  const DequantizeParameters parameters{
      {{a.codes}, a.code_type}, {a.out}, {{a.scale}, {a.zero_point}, a.granularity}, make_grid(a.rows, a.columns, kWidth)};
  return elementwise_plan(
      aligned ? &dequantize_kernel<Element, kPerColumn, true> : &dequantize_kernel<Element, kPerColumn, false>, parameters);
}

inline Plan<DequantizeParameters> plan(const DequantizeArguments& a) {
  return with_element(a.type, [&]<class Element>() {
    return a.granularity == Granularity::kColumn ? dequantize_plan<Element, true>(a) : dequantize_plan<Element, false>(a);
  });
}

}  // namespace immabench::inline SIMT_TARGET
