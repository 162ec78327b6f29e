// The quantizers: what their calls are given.
#include <quantize/quantize.hpp>

#include <cmath>
#include <optional>

#include "companion_call.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

using simt::host::Access;

// Codes of a matrix that is [rows, columns] unpacked.
struct Codes {
  CodeType type;
  MatrixSize size;
};

Codes expect_codes(const Operand& operand) {
  operand.expect_type({ElementType::kS8, ElementType::kU8}, "pass int8, or uint8 for int4 two a byte");
  const CodeType type = operand.type() == ElementType::kU8 ? CodeType::kS4 : CodeType::kS8;
  return {type, expect_matrix(operand, type == CodeType::kS4 ? 2 : 1)};
}

struct Range {
  int qmin, qmax;
};

// The range asked for, or the whole range of the codes.
Range expect_range(CodeType type, std::optional<int> qmin, std::optional<int> qmax) {
  const Range whole = type == CodeType::kS4 ? Range{-8, 7} : Range{-128, 127};
  const Range range{qmin.value_or(whole.qmin), qmax.value_or(whole.qmax)};
  if (range.qmin < whole.qmin || range.qmin > range.qmax || range.qmax > whole.qmax) {
    throw py::value_error(
        "[" + std::to_string(range.qmin) + ", " + std::to_string(range.qmax) + "] is not a range of " +
        (type == CodeType::kS4 ? "int4; take qmin and qmax within -8..7" : "int8; take qmin and qmax within -128..127"));
  }
  return range;
}

// ---------------------------------------------------------------- one call of each family

Call<QuantizeArguments> make_quantize(const py::object& x, const py::object& codes, const py::object& scale,
                                      const py::object& zero_point, const std::string& granularity, std::optional<int> qmin,
                                      std::optional<int> qmax) {
  Call<QuantizeArguments> call;
  QuantizeArguments& a = call.arguments;
  const Operand& from = call.operands.take("x", x, Access::kRead);
  a.type = expect_float(from);
  const MatrixSize size = expect_matrix(from);
  const Operand& to = call.operands.take("codes", codes, Access::kWrite);
  a.code_type = expect_codes(to).type;
  expect_codes_of(to, size);
  const Range range = expect_range(a.code_type, qmin, qmax);
  a.granularity = parse_granularity(granularity);
  a.scale = call.operands.take_scales("scale", scale, extent_of(a.granularity, size));
  a.zero_point = call.operands.take_zero_points("zero_point", zero_point, extent_of(a.granularity, size));
  a.x = from.address(), a.codes = to.address();
  a.rows = size.rows, a.columns = size.columns, a.qmin = range.qmin, a.qmax = range.qmax;
  return call;
}

Call<DequantizeArguments> make_dequantize(const py::object& codes, const py::object& out, const py::object& scale,
                                          const py::object& zero_point, const std::string& granularity) {
  Call<DequantizeArguments> call;
  DequantizeArguments& a = call.arguments;
  const Operand& from = call.operands.take("codes", codes, Access::kRead);
  const Codes given = expect_codes(from);
  const Operand& to = call.operands.take("out", out, Access::kWrite);
  a.type = expect_float(to);
  to.expect_shape({given.size.rows, given.size.columns}, "the output has an element a code");
  a.granularity = parse_granularity(granularity);
  a.scale = call.operands.take_scales("scale", scale, extent_of(a.granularity, given.size));
  a.zero_point = call.operands.take_zero_points("zero_point", zero_point, extent_of(a.granularity, given.size));
  a.codes = from.address(), a.out = to.address(), a.code_type = given.type;
  a.rows = given.size.rows, a.columns = given.size.columns;
  return call;
}

Call<RequantizeArguments> make_requantize(const py::object& x, const py::object& codes, const py::object& scale,
                                          const py::object& zero_point, const py::object& x_zero_point,
                                          const py::object& row_scale, const py::object& col_scale, const py::object& bias,
                                          std::optional<int> qmin, std::optional<int> qmax) {
  Call<RequantizeArguments> call;
  RequantizeArguments& a = call.arguments;
  const Operand& from = call.operands.take("x", x, Access::kRead);
  from.expect_type({ElementType::kS32, ElementType::kS8}, "pass int32 accumulators or int8 codes");
  a.accumulators = from.type() == ElementType::kS32;
  const MatrixSize size = expect_matrix(from);
  const Operand& to = call.operands.take("codes", codes, Access::kWrite);
  to.expect_type({ElementType::kS8}, "allocate the codes as int8");
  to.expect_shape({size.rows, size.columns}, "a code an element of x");
  const Range range = expect_range(CodeType::kS8, qmin, qmax);
  a.scale = call.operands.take_scales("scale", scale, 1);
  a.zero_point = call.operands.take_zero_points("zero_point", zero_point, 1);
  a.x_zero_point = call.operands.take_zero_points("x_zero_point", x_zero_point, 1);
  if (a.x_zero_point && a.accumulators)
    throw py::value_error("operand 'x_zero_point' is given for int32 accumulators, which have none; leave it out");
  a.row_scale = call.operands.take_broadcast("row_scale", row_scale, size.rows, a.row_scale_stride);
  a.col_scale = call.operands.take_broadcast("col_scale", col_scale, size.columns, a.col_scale_stride);
  a.bias = call.operands.take_floats("bias", bias, size.columns);
  a.x = from.address(), a.codes = to.address();
  a.rows = size.rows, a.columns = size.columns, a.qmin = range.qmin, a.qmax = range.qmax;
  return call;
}

// The operands that packing and unpacking share.
template <class Arguments>
Call<Arguments> make_packing(const py::object& codes, const py::object& packed, Access of_codes, Access of_packed) {
  Call<Arguments> call;
  const Operand& bytes = call.operands.take("codes", codes, of_codes);
  bytes.expect_type({ElementType::kS8}, "pass one code a byte as int8");
  const MatrixSize size = expect_matrix(bytes);
  const Operand& pairs = call.operands.take("packed", packed, of_packed);
  pairs.expect_type({ElementType::kU8}, "pass two codes a byte as uint8");
  expect_codes_of(pairs, size);
  call.arguments.codes = bytes.address(), call.arguments.packed = pairs.address();
  call.arguments.rows = size.rows, call.arguments.columns = size.columns;
  return call;
}
Call<PackS4Arguments> make_pack_s4(const py::object& codes, const py::object& packed) {
  return make_packing<PackS4Arguments>(codes, packed, Access::kRead, Access::kWrite);
}
Call<UnpackS4Arguments> make_unpack_s4(const py::object& packed, const py::object& codes) {
  return make_packing<UnpackS4Arguments>(codes, packed, Access::kWrite, Access::kRead);
}

FragmentLayout parse_layout(const std::string& name) {
  if (name == "w4m8") return FragmentLayout::kW4M8;
  if (name == "w8m8") return FragmentLayout::kW8M8;
  if (name == "w4m4") return FragmentLayout::kW4M4;
  if (name == "w4m16") return FragmentLayout::kW4M16;
  if (name == "w8m16") return FragmentLayout::kW8M16;
  throw py::value_error("layout '" + name + "' is unknown; take w4m8, w8m8, w4m4, w4m16 or w8m16");
}

// `columns` is asked for where the last byte of a row holds one code.
Call<ReorderWeightsArguments> make_reorder_weights(const py::object& codes, const py::object& packed, const std::string& layout,
                                                   bool to_unsigned, std::optional<int> columns) {
  Call<ReorderWeightsArguments> call;
  ReorderWeightsArguments& a = call.arguments;
  a.layout = parse_layout(layout), a.to_unsigned = to_unsigned;
  const int per_byte = layout.starts_with("w4") ? 2 : 1;
  const Operand& from = call.operands.take("codes", codes, Access::kRead);
  from.expect_type({per_byte == 2 ? ElementType::kU8 : ElementType::kS8},
                   per_byte == 2 ? "pass two codes a byte as uint8" : "pass one code a byte as int8");
  const MatrixSize size = expect_matrix(from, per_byte);
  if (to_unsigned && per_byte == 1) throw py::value_error("to_unsigned is given for codes of 8 bits; only 4 bits have such");
  a.rows = size.rows, a.columns = columns.value_or(size.columns);
  if (a.columns > size.columns || a.columns <= size.columns - per_byte)
    from.reject("has rows of " + std::to_string(size.columns) + " codes",
                "columns=" + std::to_string(a.columns) + " is another number");
  const Operand& to = call.operands.take("packed", packed, Access::kWrite);
  to.expect_type({ElementType::kU8}, "allocate the blocks as uint8");
  to.expect_shape({(std::int64_t{a.rows} + 15) / 16, (size.columns / per_byte + std::int64_t{31}) / 32, 512},
                  "a block of 512 bytes for 16 rows of 32");
  if (to.address() % 16) to.reject("does not start on 16 bytes", "pass an aligned copy");
  a.codes = from.address(), a.packed = to.address();
  return call;
}

// int8 codes and what is found of each row.
template <class Arguments>
void take_row_outputs(Call<Arguments>& call, MatrixSize size, const py::object& codes, const py::object& row_sum) {
  const Operand& to = call.operands.take("codes", codes, Access::kWrite);
  to.expect_type({ElementType::kS8}, "allocate the codes as int8");
  to.expect_shape({size.rows, size.columns}, "a code an element of x");
  call.arguments.codes = to.address();
  call.arguments.row_sum = call.operands.take_output("row_sum", row_sum, ElementType::kS32, size.rows);
  call.arguments.rows = size.rows, call.arguments.columns = size.columns;
}

Call<QuantizeDynamicArguments> make_quantize_dynamic(const py::object& x, const py::object& codes, const py::object& scale,
                                                     const py::object& zero_point, const py::object& row_sum) {
  Call<QuantizeDynamicArguments> call;
  QuantizeDynamicArguments& a = call.arguments;
  const Operand& from = call.operands.take("x", x, Access::kRead);
  a.type = expect_float(from);
  const MatrixSize size = expect_matrix(from);
  take_row_outputs(call, size, codes, row_sum);
  a.x = from.address();
  a.scale = call.operands.take_required_output("scale", scale, ElementType::kF32, size.rows);
  a.zero_point = call.operands.take_output("zero_point", zero_point, ElementType::kS32, size.rows);
  return call;
}

Call<LayerNormQuantizeArguments> make_layernorm_quantize(const py::object& x, const py::object& gamma, const py::object& beta,
                                                         const py::object& codes, const py::object& scale, double eps,
                                                         bool dynamic, const py::object& zero_point, const py::object& residual,
                                                         const py::object& normalised, const py::object& row_sum,
                                                         std::optional<int> qmin, std::optional<int> qmax) {
  Call<LayerNormQuantizeArguments> call;
  LayerNormQuantizeArguments& a = call.arguments;
  const Operand& from = call.operands.take("x", x, Access::kRead);
  a.type = expect_float(from);
  const MatrixSize size = expect_matrix(from);
  take_row_outputs(call, size, codes, row_sum);
  a.x = from.address();
  a.residual = call.operands.take_like("residual", residual, from, Access::kRead);
  a.normalised = call.operands.take_like("normalised", normalised, from, Access::kWrite);
  a.gamma = call.operands.take_required_floats("gamma", gamma, size.columns);
  a.beta = call.operands.take_required_floats("beta", beta, size.columns);
  a.dynamic = dynamic;
  if (dynamic && (qmin || qmax))
    throw py::value_error("qmin and qmax are given with dynamic=True, which has ranges of its own");
  const Range range = expect_range(CodeType::kS8, qmin, qmax);
  a.qmin = range.qmin, a.qmax = range.qmax;
  a.scale = dynamic ? call.operands.take_required_output("scale", scale, ElementType::kF32, size.rows)
                    : call.operands.take_scales("scale", scale, 1);
  a.zero_point = dynamic ? call.operands.take_output("zero_point", zero_point, ElementType::kS32, size.rows)
                         : call.operands.take_zero_points("zero_point", zero_point, 1);
  a.eps = static_cast<float>(eps);
  if (!(a.eps >= 0) || !std::isfinite(a.eps))
    throw py::value_error("eps=" + std::to_string(eps) + ": not negative, and finite");
  return call;
}

}  // namespace

void register_quantize(py::module_& module) {
  using py::arg;
  const auto optional = [](const char* name) { return py::arg_v(name, py::none()); };
  define(module, "quantize", &make_quantize, arg("x"), arg("codes"), arg("scale"), py::kw_only(), optional("zero_point"),
         arg("granularity") = "tensor", optional("qmin"), optional("qmax"));
  define(module, "dequantize", &make_dequantize, arg("codes"), arg("out"), arg("scale"), py::kw_only(), optional("zero_point"),
         arg("granularity") = "tensor");
  define(module, "requantize", &make_requantize, arg("x"), arg("codes"), arg("scale"), py::kw_only(), optional("zero_point"),
         optional("x_zero_point"), optional("row_scale"), optional("col_scale"), optional("bias"), optional("qmin"),
         optional("qmax"));
  define(module, "pack_s4", &make_pack_s4, arg("codes"), arg("packed"), py::kw_only());
  define(module, "unpack_s4", &make_unpack_s4, arg("packed"), arg("codes"), py::kw_only());
  define(module, "reorder_weights", &make_reorder_weights, arg("codes"), arg("packed"), py::kw_only(), arg("layout") = "w4m8",
         arg("to_unsigned") = false, optional("columns"));
  define(module, "quantize_dynamic", &make_quantize_dynamic, arg("x"), arg("codes"), arg("scale"), py::kw_only(),
         optional("zero_point"), optional("row_sum"));
  define(module, "layernorm_quantize", &make_layernorm_quantize, arg("x"), arg("gamma"), arg("beta"), arg("codes"),
         arg("scale"), py::kw_only(), arg("eps"), arg("dynamic") = false, optional("zero_point"), optional("residual"),
         optional("normalised"), optional("row_sum"), optional("qmin"), optional("qmax"));
}

}  // namespace immabench::bindings
