// What surrounds a product on the CPU: the patches before it, the epilogue after it. The rest is beside its kernels' calls.
#include <cpu/cpu.hpp>

#include <deque>

#include "gemm_call.hpp"
#include "topics.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

// The operands of a call, on the CPU all of them, kept until it returns.
class CpuOperands {
 public:
  const Operand& take(const char* name, const py::object& object) {
    const Operand& operand = operands_.emplace_back(name, object);
    if (operand.place().cuda) operand.reject("is on a CUDA device", "move it to the CPU");
    return operand;
  }

  // A vector of so many values, or where it has a stride of one for all; 0 where it is absent.
  std::uint64_t take_vector(const char* name, const py::object& object, ElementType type, std::int64_t extent,
                            int* stride = nullptr) {
    if (object.is_none()) return 0;
    const Operand& operand = take(name, object);
    operand.expect_type({type}, type == ElementType::kF32 ? "convert it to float32" : "convert it to int32");
    const std::int64_t count = operand.elements();
    if (stride) *stride = count == 1 ? 0 : 1;
    if (count != extent && !(stride && count == 1))
      operand.reject("has " + std::to_string(count) + " values where " + std::to_string(extent) + " are needed",
                     stride ? "pass one for all, or one each" : "pass one each");
    return operand.address();
  }

 private:
  std::deque<Operand> operands_;  // references to its elements stay valid
};

OutputType expect_output(const Operand& operand) {
  switch (operand.type()) {
    case ElementType::kS32: return OutputType::kS32;
    case ElementType::kF32: return OutputType::kF32;
    case ElementType::kF16: return OutputType::kF16;
    case ElementType::kBF16:
    case ElementType::kU16: return OutputType::kBF16;
    case ElementType::kS8: return OutputType::kS8;
    default: operand.reject("has an unknown type", "pass int32, float32, float16, bfloat16 (or uint16 for its bits) or int8");
  }
}

Activation parse_activation(const std::string& name) {
  if (name == "none") return Activation::kNone;
  if (name == "relu") return Activation::kRelu;
  if (name == "gelu") return Activation::kGelu;
  throw py::value_error("activation '" + name + "' is unknown; take none, relu or gelu");
}

// What an output needs and has, or neither: an int8 residual its scale, int8 outputs theirs, the zero point of A sums of B.
void expect_together(const char* name, bool there, bool needed) {
  if (there != needed)
    throw py::value_error(std::string("operand '") + name + (there ? "' is given, and nothing that it is of" : "' is missing"));
}

void finish_sums(const py::object& sums, const py::object& out, const py::object& a_zero, const py::object& b_sum,
                 const py::object& row_scale, const py::object& col_scale, const py::object& bias, const py::object& residual,
                 const py::object& residual_scale, const py::object& residual_zero, const py::object& out_scale,
                 const py::object& out_zero, const std::string& activation, int threads) {
  CpuOperands operands;
  cpu::FinishArguments a;
  const Operand& from = operands.take("sums", sums);
  from.expect_type({ElementType::kS32, ElementType::kF32}, "pass int32 sums, or float32 ones");
  const auto& shape = from.shape();
  if ((shape.size() != 2 && shape.size() != 3) || from.elements() == 0) from.reject("has shape " + describe(shape), "pass [.., M, N]");
  a.type = from.type() == ElementType::kF32 ? cpu::SumType::kF32 : cpu::SumType::kS32;
  a.batch = shape.size() == 3 ? shape[0] : 1, a.rows = shape[shape.size() - 2], a.columns = shape.back();
  const Operand& to = operands.take("out", out);
  to.expect_shape(shape, "the output has the shape of the sums");
  a.sums = from.address(), a.out = to.address();
  EpilogueArguments& e = a.epilogue;
  e.output = expect_output(to), e.activation = parse_activation(activation);
  const std::int64_t rows = a.batch * a.rows, columns = a.batch * a.columns;
  e.a_zero = operands.take_vector("a_zero", a_zero, ElementType::kS32, rows, &e.a_zero_stride);
  e.b_sum = operands.take_vector("b_sum", b_sum, ElementType::kS32, columns);
  e.row_scale = operands.take_vector("row_scale", row_scale, ElementType::kF32, rows, &e.row_scale_stride);
  e.col_scale = operands.take_vector("col_scale", col_scale, ElementType::kF32, columns, &e.col_scale_stride);
  e.bias = operands.take_vector("bias", bias, ElementType::kF32, columns);
  e.residual_scale = operands.take_vector("residual_scale", residual_scale, ElementType::kF32, 1);
  e.residual_zero = operands.take_vector("residual_zero", residual_zero, ElementType::kS32, 1);
  e.out_scale = operands.take_vector("out_scale", out_scale, ElementType::kF32, columns, &e.out_scale_stride);
  e.out_zero = operands.take_vector("out_zero", out_zero, ElementType::kS32, columns, &e.out_zero_stride);
  if (!residual.is_none()) {
    const Operand& added = operands.take("residual", residual);
    added.expect_shape(shape, "the residual has the shape of the sums");
    e.residual = added.address(), e.residual_type = expect_output(added);
    if (e.residual_type == OutputType::kS32) added.reject("holds int32", "pass floats, or codes");
  }
  expect_together("residual_scale", e.residual_scale, e.residual && e.residual_type == OutputType::kS8);
  expect_together("out_scale", e.out_scale, e.output == OutputType::kS8);
  expect_together("b_sum", e.b_sum, e.a_zero);
  if (a.type == cpu::SumType::kF32 && (e.a_zero || e.output == OutputType::kS32))
    from.reject("holds float32", "floats have no zero point, and are no int32 output");
  const py::gil_scoped_release release;
  cpu::compute(a, threads);
}

void gather_patches(const py::object& image, const py::object& patches, const py::dict& geometry, const py::object& zero,
                    int threads) {
  CpuOperands operands;
  cpu::PatchArguments a;
  a.geometry = parse_convolution(geometry);
  if (const char* reason = a.geometry.invalid_reason()) throw py::value_error(std::string("geometry: ") + reason);
  const Operand& from = operands.take("image", image);
  from.expect_type({ElementType::kS8}, "quantize it to int8");
  from.expect_shape({a.geometry.images, a.geometry.height, a.geometry.width, a.geometry.channels},
                    "pass the image that 'geometry' tells of, NHWC");
  const Operand& to = operands.take("patches", patches);
  to.expect_type({ElementType::kS8}, "allocate them as int8");
  const auto& shape = to.shape();
  if (shape.size() != 2 || shape[0] != a.geometry.m() || shape[1] < a.geometry.k())
    to.reject("has shape " + describe(shape), "pass [M, K] of the geometry, or rows longer than K");
  a.image = from.address(), a.patches = to.address(), a.row_bytes = shape[1];
  a.zero = operands.take_vector("zero", zero, ElementType::kS32, 1);
  const py::gil_scoped_release release;
  cpu::compute(a, threads);
}

}  // namespace

void register_cpu(py::module_& module) {
  using py::arg;
  const auto optional = [](const char* name) { return py::arg_v(name, py::none()); };
  module.def("finish_sums", &finish_sums, arg("sums"), arg("out"), py::kw_only(), optional("a_zero"), optional("b_sum"),
             optional("row_scale"), optional("col_scale"), optional("bias"), optional("residual"), optional("residual_scale"),
             optional("residual_zero"), optional("out_scale"), optional("out_zero"), arg("activation") = "none",
             arg("threads") = 1, "The epilogue of a product, natively on the CPU; fills the output.");
  module.def("gather_patches", &gather_patches, arg("image"), arg("patches"), py::kw_only(), arg("geometry"), optional("zero"),
             arg("threads") = 1, "The rows of the GEMM that a convolution is, natively on the CPU.");
}

}  // namespace immabench::bindings
