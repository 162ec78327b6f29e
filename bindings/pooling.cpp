// Pooling: what its calls are given. The geometry is that of a convolution without filters, as gemm_call.hpp parses it.
#include <pooling/pooling.hpp>

#include "companion_call.hpp"
#include "gemm_call.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

using simt::host::Access;

// The image that a geometry tells of, and windows that there are.
ConvolutionArguments expect_windows(const Operand& image, const py::dict& geometry) {
  const ConvolutionArguments g = parse_convolution(geometry);
  if (const char* reason = g.invalid_reason()) throw py::value_error(std::string("geometry: ") + reason);
  if (g.dilation_height != 1 || g.dilation_width != 1)
    throw py::value_error("geometry: windows have no dilation; pass dilations of 1");
  image.expect_type({ElementType::kS8}, "quantize it to int8");
  image.expect_shape({g.images, g.height, g.width, g.channels}, "pass the image that 'geometry' tells of, NHWC");
  return g;
}

// `out` of the arguments' kernel, an element a window and channel.
const Operand& take_pooled(OperandSet& operands, const py::object& out, const ConvolutionArguments& g) {
  const Operand& to = operands.take("out", out, Access::kWrite);
  to.expect_shape({g.images, g.out_height(), g.out_width(), g.channels}, "an element a window and channel, NHWC");
  return to;
}

Call<MaxPoolArguments> make_max_pool2d(const py::object& x, const py::object& out, const py::dict& geometry) {
  Call<MaxPoolArguments> call;
  const Operand& from = call.operands.take("x", x, Access::kRead);
  const ConvolutionArguments g = expect_windows(from, geometry);
  const Operand& to = take_pooled(call.operands, out, g);
  to.expect_type({ElementType::kS8}, "allocate it as int8");
  call.arguments = {.x = from.address(), .out = to.address(), .geometry = g};
  return call;
}

Call<AvgPoolArguments> make_avg_pool2d(const py::object& x, const py::object& out, const py::dict& geometry,
                                       const py::object& x_scale, const py::object& scale, const py::object& x_zero_point,
                                       const py::object& zero_point, bool count_include_pad) {
  Call<AvgPoolArguments> call;
  AvgPoolArguments& a = call.arguments;
  const Operand& from = call.operands.take("x", x, Access::kRead);
  a.geometry = expect_windows(from, geometry);
  const Operand& to = take_pooled(call.operands, out, a.geometry);
  to.expect_type({ElementType::kS8, ElementType::kF32}, "allocate it as int8 for codes, or as float32");
  a.to_codes = to.type() == ElementType::kS8, a.count_include_pad = count_include_pad;
  if (!a.to_codes && !(scale.is_none() && zero_point.is_none()))
    throw py::value_error("scale and zero_point are those of codes, and 'out' is float32; leave them out");
  if (a.to_codes && scale.is_none() != x_scale.is_none())
    throw py::value_error("codes need both x_scale and scale, or neither where they are equal");
  if (!x_scale.is_none()) a.x_scale = call.operands.take_scales("x_scale", x_scale, 1);
  if (!scale.is_none()) a.scale = call.operands.take_scales("scale", scale, 1);
  a.x_zero_point = call.operands.take_zero_points("x_zero_point", x_zero_point, 1);
  a.zero_point = call.operands.take_zero_points("zero_point", zero_point, 1);
  a.x = from.address(), a.out = to.address();
  return call;
}

}  // namespace

void register_pooling(py::module_& module) {
  using py::arg;
  const auto optional = [](const char* name) { return py::arg_v(name, py::none()); };
  define(module, "max_pool2d", &make_max_pool2d, arg("x"), arg("out"), py::kw_only(), arg("geometry"));
  define(module, "avg_pool2d", &make_avg_pool2d, arg("x"), arg("out"), py::kw_only(), arg("geometry"), optional("x_scale"),
         optional("scale"), optional("x_zero_point"), optional("zero_point"), arg("count_include_pad") = false);
}

}  // namespace immabench::bindings
