// Attention: what its calls are given.
#include <attention/attention.hpp>
#include <cmath>

#include "companion_call.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

using simt::host::Access;

// A scale of scores, whose product with log2 e must be a number too.
float expect_score_scale(double scale) {
  const float value = static_cast<float>(scale);
  if (!(value > 0) || !std::isfinite(1.4427f * value))
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

}  // namespace

void register_attention(py::module_& module) {
  using py::arg;
  define(module, "softmax_quantize", &make_softmax_quantize, arg("x"), arg("codes"), arg("row_scale"), py::kw_only(),
         arg("scale"), py::arg_v("lengths", py::none()));
}

}  // namespace immabench::bindings
