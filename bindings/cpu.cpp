// Products on the CPU and what surrounds them: the patches before, the epilogue after. The rest is beside its kernels' calls.
#include <algorithm>
#include <cpu/cpu.hpp>
#include <cpu/parallel.hpp>

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

// The operands of an epilogue as Python has them; none of them where it is None.
struct EpilogueObjects {
  const py::object &a_zero, &b_sum, &row_scale, &col_scale, &bias, &residual, &residual_scale, &residual_zero, &out_scale,
      &out_zero;
};

// The epilogue of sums of this shape, and its output.
void take_epilogue(CpuOperands& operands, cpu::FinishArguments& a, const std::vector<std::int64_t>& shape,
                   const py::object& out, const EpilogueObjects& given, const std::string& activation) {
  a.batch = shape.size() == 3 ? shape[0] : 1, a.rows = shape[shape.size() - 2], a.columns = shape.back();
  const Operand& to = operands.take("out", out);
  to.expect_shape(shape, "the output has the shape of the sums");
  a.out = to.address();
  EpilogueArguments& e = a.epilogue;
  e.output = expect_output(to), e.activation = parse_activation(activation);
  const std::int64_t rows = a.batch * a.rows, columns = a.batch * a.columns;
  e.a_zero = operands.take_vector("a_zero", given.a_zero, ElementType::kS32, rows, &e.a_zero_stride);
  e.b_sum = operands.take_vector("b_sum", given.b_sum, ElementType::kS32, columns);
  e.row_scale = operands.take_vector("row_scale", given.row_scale, ElementType::kF32, rows, &e.row_scale_stride);
  e.col_scale = operands.take_vector("col_scale", given.col_scale, ElementType::kF32, columns, &e.col_scale_stride);
  e.bias = operands.take_vector("bias", given.bias, ElementType::kF32, columns);
  e.residual_scale = operands.take_vector("residual_scale", given.residual_scale, ElementType::kF32, 1);
  e.residual_zero = operands.take_vector("residual_zero", given.residual_zero, ElementType::kS32, 1);
  e.out_scale = operands.take_vector("out_scale", given.out_scale, ElementType::kF32, columns, &e.out_scale_stride);
  e.out_zero = operands.take_vector("out_zero", given.out_zero, ElementType::kS32, columns, &e.out_zero_stride);
  if (!given.residual.is_none()) {
    const Operand& added = operands.take("residual", given.residual);
    added.expect_shape(shape, "the residual has the shape of the sums");
    e.residual = added.address(), e.residual_type = expect_output(added);
    if (e.residual_type == OutputType::kS32) added.reject("holds int32", "pass floats, or codes");
  }
  expect_together("residual_scale", e.residual_scale, e.residual && e.residual_type == OutputType::kS8);
  expect_together("out_scale", e.out_scale, e.output == OutputType::kS8);
  expect_together("b_sum", e.b_sum, e.a_zero);
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
  if ((shape.size() != 2 && shape.size() != 3) || from.elements() == 0)
    from.reject("has shape " + describe(shape), "pass [.., M, N]");
  a.type = from.type() == ElementType::kF32 ? cpu::SumType::kF32 : cpu::SumType::kS32;
  a.sums = from.address();
  take_epilogue(operands, a, shape, out,
                {a_zero, b_sum, row_scale, col_scale, bias, residual, residual_scale, residual_zero, out_scale, out_zero},
                activation);
  if (a.type == cpu::SumType::kF32 && (a.epilogue.a_zero || a.epilogue.output == OutputType::kS32))
    from.reject("holds float32", "floats have no zero point, and are no int32 output");
  const py::gil_scoped_release release;
  cpu::compute(a, threads);
}

// An int8 image of this geometry.
const Operand& take_image(CpuOperands& operands, const char* name, const py::object& image, const ConvolutionArguments& g) {
  if (const char* reason = g.invalid_reason()) throw py::value_error(std::string("geometry: ") + reason);
  const Operand& from = operands.take(name, image);
  from.expect_type({ElementType::kS8}, "quantize it to int8");
  from.expect_shape({g.images, g.height, g.width, g.channels}, "pass the image that 'geometry' tells of, NHWC");
  return from;
}

// An int8 matrix, or a batch of them.
const Operand& take_matrices(CpuOperands& operands, const char* name, const py::object& matrices) {
  const Operand& operand = operands.take(name, matrices);
  operand.expect_type({ElementType::kS8}, "quantize it to int8");
  const std::size_t rank = operand.shape().size();
  if ((rank != 2 && rank != 3) || operand.elements() == 0)
    operand.reject("has shape " + describe(operand.shape()), "pass a matrix with at least one element, or a batch of them");
  return operand;
}

void expect_product_instructions() {
  if (cpu::product_instructions().empty()) throw py::value_error("this CPU has no AVX2; see product_instructions()");
}

// What pack_panels makes of the one matrix `b`.
const Operand& take_panels(CpuOperands& operands, const py::object& object, const Operand& b) {
  const Operand& panels = operands.take("panels", object);
  if (b.shape().size() != 2) b.reject("is a batch", "leave out 'panels', which are of one matrix");
  panels.expect_type({ElementType::kU8}, "pass what pack_panels fills");
  panels.expect_shape({cpu::panel_bytes(b.shape()[0], b.shape()[1])}, "pass panel_bytes(n, k) bytes");
  return panels;
}

void pack_panels(const py::object& b_object, const py::object& object, int threads) {
  expect_product_instructions();
  CpuOperands operands;
  const Operand& b = take_matrices(operands, "b", b_object);
  const Operand& panels = take_panels(operands, object, b);
  const py::gil_scoped_release release;
  cpu::pack_panels(b.address(), panels.address(), b.shape()[0], b.shape()[1], threads);
}

void multiply_s8(const py::object& a_object, const py::object& b_object, const py::object& out, const py::object& geometry,
                 const py::object& panels, const py::object& a_zero, const py::object& b_sum, const py::object& row_scale,
                 const py::object& col_scale, const py::object& bias, const py::object& residual,
                 const py::object& residual_scale, const py::object& residual_zero, const py::object& out_scale,
                 const py::object& out_zero, const std::string& activation, int threads) {
  expect_product_instructions();
  CpuOperands operands;
  cpu::ProductArguments call;
  const Operand& b = take_matrices(operands, "b", b_object);
  call.b = b.address(), call.k = b.shape().back();
  if (!panels.is_none()) call.panels = take_panels(operands, panels, b).address();
  ConvolutionArguments& g = call.patches.geometry = parse_convolution(geometry);
  const Operand& a = g.present() ? take_image(operands, "a", a_object, g) : take_matrices(operands, "a", a_object);
  std::vector<std::int64_t> shape = g.present() ? std::vector<std::int64_t>{g.m(), g.k()} : a.shape();
  const std::int64_t k = shape.back();
  if (k != call.k) b.reject("has rows of " + std::to_string(call.k), "those of A have " + std::to_string(k));
  if (shape.size() != b.shape().size() || (shape.size() == 3 && shape[0] != b.shape()[0]))
    b.reject("has shape " + describe(b.shape()), "pass as many matrices as A has");
  shape.back() = b.shape()[b.shape().size() - 2];
  take_epilogue(operands, call.finish, shape, out,
                {a_zero, b_sum, row_scale, col_scale, bias, residual, residual_scale, residual_zero, out_scale, out_zero},
                activation);
  if (g.present() && call.finish.epilogue.a_zero_stride) throw py::value_error("pixels of an image have one a_zero; pass [1]");
  (g.present() ? call.patches.image : call.a) = a.address();
  call.patches.zero = g.present() ? call.finish.epilogue.a_zero : 0;
  const py::gil_scoped_release release;
  cpu::compute(call, threads);
}

void gather_patches(const py::object& image, const py::object& patches, const py::dict& geometry, const py::object& zero,
                    int threads) {
  CpuOperands operands;
  cpu::PatchArguments a;
  a.geometry = parse_convolution(geometry);
  const Operand& from = take_image(operands, "image", image, a.geometry);
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

constexpr const char* kInstructions[] = {"baseline", "avx2", "avx_vnni", "avx512"};  // in the order of cpu::Instructions

std::string instructions() { return kInstructions[int(cpu::best_instructions())]; }

void limit_instructions(const std::string& name) {
  const auto found = std::find(std::begin(kInstructions), std::end(kInstructions), name);
  if (found == std::end(kInstructions))
    throw py::value_error("instructions '" + name + "' are unknown; take baseline, avx2, avx_vnni or avx512");
  cpu::limit_instructions(cpu::Instructions(found - kInstructions));
}

}  // namespace

void register_cpu(py::module_& module) {
  using py::arg;
  const auto optional = [](const char* name) { return py::arg_v(name, py::none()); };
  // Defines a function with what precedes an epilogue, `names`, and what the epilogue takes.
  const auto define = [&](const char* name, auto function, const char* text, const auto&... names) {
    module.def(name, function, names..., optional("a_zero"), optional("b_sum"), optional("row_scale"), optional("col_scale"),
               optional("bias"), optional("residual"), optional("residual_scale"), optional("residual_zero"),
               optional("out_scale"), optional("out_zero"), arg("activation") = "none", arg("threads") = 1, text);
  };
  define("finish_sums", &finish_sums, "The epilogue of a product, natively on the CPU; fills the output.", arg("sums"),
         arg("out"), py::kw_only());
  define("multiply_s8", &multiply_s8, "A product or a convolution with its epilogue, natively on the CPU; fills the output.",
         arg("a"), arg("b"), arg("out"), py::kw_only(), optional("geometry"), optional("panels"));
  module.def("panel_bytes", &cpu::panel_bytes, arg("n"), arg("k"), "Bytes of a matrix [n, k] that pack_panels packs.");
  module.def("pack_panels", &pack_panels, arg("b"), arg("panels"), py::kw_only(), arg("threads") = 1,
             "B of one product in the order of multiply_s8, for its `panels`.");
  module.def("product_instructions", &cpu::product_instructions,
             "The instructions of multiply_s8 on this CPU: avx512_vnni, avx_vnni, avx2, nothing if it has none.");
  module.def("cpu_instructions", &instructions,
             "What native passes are compiled for that run here: baseline, avx2, avx_vnni or avx512.");
  module.def("limit_cpu_instructions", &limit_instructions, arg("name"),
             "Lets native passes take no instructions beyond these.");
  module.def("gather_patches", &gather_patches, arg("image"), arg("patches"), py::kw_only(), arg("geometry"), optional("zero"),
             arg("threads") = 1, "The rows of the GEMM that a convolution is, natively on the CPU.");
}

}  // namespace immabench::bindings
