// Attention: what its calls are given.
#include <algorithm>
#include <attention/attention.hpp>
#include <climits>
#include <cmath>

#include "companion_call.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

using simt::host::Access;

// A scale of scores, whose product with log2 e must be a number too.
float expect_score_scale(double scale) {
  const float value = static_cast<float>(scale);
  if (!(value > 0) || !std::isfinite(0x1.715476p+0f * value))
    throw py::value_error("scale=" + std::to_string(scale) + ": scores have a scale that is positive and finite");
  return value;
}

Call<SoftmaxQuantizeArguments> make_softmax_quantize(const py::object& x, const py::object& codes, const py::object& row_scale,
                                                     double scale, const py::object& lengths) {
  Call<SoftmaxQuantizeArguments> call;
  SoftmaxQuantizeArguments& a = call.arguments;
  const Operand& from = call.operands.take("x", x, Access::kRead);
  from.expect_type({ElementType::kS32}, "pass the int32 sums of a product");
  const MatrixSize size = expect_matrix(from);
  const Operand& to = call.operands.take("codes", codes, Access::kWrite);
  to.expect_type({ElementType::kS8}, "allocate the codes as int8");
  to.expect_shape({size.rows, size.columns}, "a code an element of x");
  a.x = from.address(), a.codes = to.address(), a.scale = expect_score_scale(scale);
  a.rows = size.rows, a.columns = size.columns;
  a.row_scale = call.operands.take_required_output("row_scale", row_scale, ElementType::kF32, size.rows);
  if (lengths.is_none()) return call;
  const Operand& counted = call.operands.take("lengths", lengths, Access::kRead);
  counted.expect_type({ElementType::kS32}, "convert it to int32");
  const std::int64_t count = counted.elements();
  if (counted.shape().size() != 1 || count < 1 || size.rows % count)
    counted.reject("has shape " + describe(counted.shape()) + " for " + std::to_string(size.rows) + " rows",
                   "pass one length a row, or one for as many rows each");
  a.lengths = counted.address(), a.rows_per_length = static_cast<int>(size.rows / count);
  return call;
}

// Rows of tokens wherever they lie.
const Operand& take_tokens(OperandSet& operands, const char* name, const py::object& object, TokenMatrix& matrix) {
  const Operand& operand = operands.take(name, object, Access::kRead, Layout::kRows);
  operand.expect_type({ElementType::kS8}, "quantize it");
  const auto& shape = operand.shape();
  const bool fits = std::all_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent > 0 && extent < INT_MAX; });
  if (shape.size() != 4 || !fits) operand.reject("has shape " + describe(shape), "pass [batch, tokens, heads, depth]");
  matrix = {operand.address(), operand.strides()[0], operand.strides()[1], operand.strides()[2]};
  return operand;
}

void take_attention_output(Call<AttentionArguments>& call, const py::object& out) {
  AttentionArguments& a = call.arguments;
  const Operand& to = call.operands.take("out", out, Access::kWrite);
  to.expect_type({ElementType::kF32, ElementType::kF16, ElementType::kBF16, ElementType::kU16, ElementType::kS8},
                 "allocate float32, float16, bfloat16 (or uint16 for its bits) or int8");
  to.expect_shape({a.batch, a.queries, a.heads, a.depth}, "the output has the shape of q");
  a.out = to.address();
  switch (to.type()) {
    case ElementType::kF32: a.output = OutputType::kF32; break;
    case ElementType::kF16: a.output = OutputType::kF16; break;
    case ElementType::kS8: a.output = OutputType::kS8; break;
    default: a.output = OutputType::kBF16;
  }
}

float expect_scale(const char* name, double scale) {
  const float value = static_cast<float>(scale);
  if (!(value > 0) || !std::isfinite(value))
    throw py::value_error(name + ("=" + std::to_string(scale)) + ": scales are positive and finite");
  return value;
}

Call<AttentionArguments> make_attention_s8(const py::object& q, const py::object& k, const py::object& v, const py::object& out,
                                           double scale, double v_scale, const py::object& lengths, double out_scale,
                                           int out_zero) {
  Call<AttentionArguments> call;
  AttentionArguments& a = call.arguments;
  const auto& size = take_tokens(call.operands, "q", q, a.q).shape();
  const Operand& keys = take_tokens(call.operands, "k", k, a.k);
  a.batch = int(size[0]), a.queries = int(size[1]), a.heads = int(size[2]), a.depth = int(size[3]);
  a.keys = int(keys.shape()[1]);
  for (const Operand* operand : {&keys, &take_tokens(call.operands, "v", v, a.v)})
    operand->expect_shape({a.batch, a.keys, a.heads, a.depth}, "k and v have the batch, heads and depth of q, and one length");
  take_attention_output(call, out);
  a.scale = expect_score_scale(scale), a.v_scale = expect_scale("v_scale", v_scale);
  a.out_scale = expect_scale("out_scale", out_scale), a.out_zero = out_zero;
  if (out_zero < -128 || out_zero > 127)
    throw py::value_error("out_zero=" + std::to_string(out_zero) + ": zero points lie in -128..127");
  if (lengths.is_none()) return call;
  const Operand& counted = call.operands.take("lengths", lengths, Access::kRead);
  counted.expect_type({ElementType::kS32}, "convert it to int32");
  counted.expect_shape({a.batch}, "pass one length a batch");
  a.lengths = counted.address();
  return call;
}

py::object attention_illegal(const std::string& id, int batch, int heads, int queries, int keys, int depth) {
  AttentionArguments a;
  a.batch = batch, a.heads = heads, a.queries = queries, a.keys = keys, a.depth = depth;
  const std::string reason = illegal_reason(find_companion<AttentionArguments>(id).config, a);
  return reason.empty() ? py::none() : py::object(py::str(reason));
}

}  // namespace

void register_attention(py::module_& module) {
  using py::arg;
  define(module, "softmax_quantize", &make_softmax_quantize, arg("x"), arg("codes"), arg("row_scale"), py::kw_only(),
         arg("scale"), py::arg_v("lengths", py::none()));
  define(module, "attention_s8", &make_attention_s8, arg("q"), arg("k"), arg("v"), arg("out"), py::kw_only(), arg("scale"),
         arg("v_scale"), py::arg_v("lengths", py::none()), arg("out_scale") = 1.0, arg("out_zero") = 0);
  module.def("attention_illegal_reason", &attention_illegal, arg("kernel_id"), arg("batch"), arg("heads"), arg("queries"),
             arg("keys"), arg("depth"), "Why a kernel cannot compute attention of these sizes, or None.");
}

}  // namespace immabench::bindings
