// Quantization of each row by its own range, for sm_80 and later: the activations of a quantized GEMM, token by token.
//
//   symmetric    scale = max |x| / 127               codes = clamp(rint(x / scale), -127, 127)
//   asymmetric   scale = (max - min) / 255           codes = clamp(rint(x / scale) + zero_point, -128, 127)
//                zero_point = clamp(rint(-min / scale), 0, 255) - 128       both of finite values alone, and of 0
//
// x: f32, f16 or bf16. codes: int8; scale: float32 [rows]; zero_point: int32 [rows], where codes are asymmetric; row_sum: int32
// [rows], the sum of a row's codes, where asked for. A scale of 0 becomes 1. docs/numerics.md ("Dynamic quantization").
//
//   row --16 bytes a thread--> registers --max--> [shared: a word a warp] --> scale --> codes --> global
//
// One pass over global memory while the row fits the registers of its threads (RowConfig::resident_columns), else two: one for
// the range, one for the codes. A warp has a row, or a block has one; blocks of short rows hold several. The ragged variant
// takes any number of columns and any addresses, element by element.
#pragma once
#include <quantize/row_codes.cuh>

namespace immabench::inline SIMT_TARGET {

struct QuantizeDynamicParameters {
  simt::Global<void> x;
  RowOutputs out;
  int rows, columns;
};

template <class Element, class Config, bool kAligned, bool kResident>
SIMT_KERNEL_BESIDE(Config::config.block_threads(), Config::config.blocks_beside())
quantize_dynamic_kernel(SIMT_PARAMETERS QuantizeDynamicParameters p) {
  using Stored = typename Element::Stored;
  constexpr int kVector = kPerAccess<Stored>;
  const RowPlace<Config, kVector, kAligned> place(p.rows, p.columns);
  RowReduction<Config> reduction;
  const auto x = p.x.template as<Stored>();
  const auto fetch = [x, place](int vector) {
    return load_vector<kVector, kAligned>(x + place.index(vector), place.count(vector));
  };
  const auto row = make_row<kResident>(place, fetch, [](const auto& stored) { return widen<Element>(stored); });
  const RowScale scale = find_scale(place, row, reduction, p.out);
  write_codes<kVector, kAligned>(place, row, reduction, scale, p.out);
}

// ---- on the host, for both targets

template <class Element, class Config>
Plan<QuantizeDynamicParameters> quantize_dynamic_plan(const QuantizeDynamicArguments& a) {
  constexpr int kVector = kPerAccess<typename Element::Stored>;
  const QuantizeDynamicParameters parameters{
      {a.x}, {{{a.codes}, CodeType::kS8}, {a.scale}, {a.zero_point}, {a.row_sum}}, a.rows, a.columns};
  const bool aligned = is_aligned(a.columns, kVector, {{16, a.x}, {kVector, a.codes}});
  return with_row_variant<Config>(a.columns, aligned, [&]<bool kAligned, bool kResident>() {
    return row_plan<Config>(&quantize_dynamic_kernel<Element, Config, kAligned, kResident>, parameters, a.rows);
  });
}

template <class Config>
Plan<QuantizeDynamicParameters> plan(const QuantizeDynamicArguments& a) {
  return with_element(a.type, [&]<class Element>() { return quantize_dynamic_plan<Element, Config>(a); });
}

}  // namespace immabench::inline SIMT_TARGET
