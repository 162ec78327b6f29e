// Quantization with given scales, for sm_80 and later.
//
//   codes[r,c] = clamp(rint(x[r,c] / scale) + zero_point, qmin, qmax)      IEEE fp32 division, half to even
//
// x: f32, f16 or bf16. codes: int8, or int4 two a byte along the columns. scale (float32) and zero_point (int32, may be
// absent): one for all, one a row or one a column. Memory-bound: each byte is read and written once (parts in vector_grid.cuh).
//
//   one pair a tensor or row   a vector is the elements of 16 bytes of x; 8 or 4 codes leave at once
//   one pair a column          4 elements, so that 16 bytes of scales go with them: a warp's requests stay dense
//
// The ragged variant (kAligned = false) takes any number of columns (even for int4) and any addresses, element by element.
#pragma once
#include <quantize/scaled_codes.cuh>

namespace immabench::inline SIMT_TARGET {

struct QuantizeParameters {
  simt::Global<void> x;
  CodeView codes;
  ScaleView scales;
  CodeRange range;
  VectorGrid grid;
};

template <class Element, bool kPerColumn, bool kAligned>
SIMT_KERNEL_BESIDE(kElementwiseThreads, kElementwiseBlocks)
quantize_kernel(SIMT_PARAMETERS QuantizeParameters p) {
  using Stored = typename Element::Stored;
  constexpr int kWidth = kScaledWidth<Element, kPerColumn>;
  struct Loaded {
    simt::Vector<Stored, kWidth> x;
    ScaleVector<kWidth, kPerColumn, kAligned> scales;
  };
  const auto load = [&](const VectorGrid::Place& at, int count) {
    Loaded loaded;
    loaded.x = load_vector<kWidth, kAligned>(p.x.template as<Stored>() + p.grid.index(at), count);
    loaded.scales.load(p.scales, at.row, at.column, count);
    return loaded;
  };
  const auto finish = [&](const VectorGrid::Place& at, int count, const Loaded& loaded) {
    const auto codes = loaded.scales.quantize(widen<Element>(loaded.x), p.range);
    p.codes.template store<kWidth, kAligned>(p.grid.index(at), codes, count);
  };
  for_each_vector<kWidth, kAligned>(p.grid, load, finish);
}

// ---- on the host, for both targets

inline Plan<QuantizeParameters> plan(const QuantizeArguments& a) {
  return with_scaled_variant(a, a.x, [&]<class Element, bool kPerColumn, bool kAligned>() {
    const VectorGrid grid = make_grid(a.rows, a.columns, kScaledWidth<Element, kPerColumn>);
    const QuantizeParameters parameters{{a.x}, {{a.codes}, a.code_type}, scale_view(a), {a.qmin, a.qmax}, grid};
    return elementwise_plan(&quantize_kernel<Element, kPerColumn, kAligned>, parameters);
  });
}

}  // namespace immabench::inline SIMT_TARGET
