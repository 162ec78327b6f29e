#include "gemm_call.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <tuple>

namespace py = pybind11;

namespace immabench::bindings {
namespace {

constexpr const char* kOptionalNames[] = {
    "row_scale",     "col_scale", "bias",     "a_zero",      "b_sum",        "residual",          "residual_scale",
    "residual_zero", "out_scale", "out_zero", "group_scale", "group_affine", GemmCall::kWorkspace};

constexpr int kFragmentRows = 16, kFragmentBytes = 512;  // of a block of fragment-major weights

Activation parse_activation(const std::string& name) {
  if (name == "none") return Activation::kNone;
  if (name == "relu") return Activation::kRelu;
  if (name == "gelu") return Activation::kGelu;
  throw py::value_error("activation '" + name + "' is unknown; take none, relu or gelu");
}

void expect_output_type(const Operand& out, OutputType type) {
  switch (type) {
    case OutputType::kS32: return out.expect_type({ElementType::kS32}, "allocate the output as int32");
    case OutputType::kF32: return out.expect_type({ElementType::kF32}, "allocate the output as float32");
    case OutputType::kF16: return out.expect_type({ElementType::kF16}, "allocate the output as float16");
    case OutputType::kS8: return out.expect_type({ElementType::kS8}, "allocate the output as int8");
    case OutputType::kBF16:
      return out.expect_type({ElementType::kBF16, ElementType::kU16},
                             "allocate the output as bfloat16, or uint16 for its bits");
  }
}

void expect_operand_type(const Operand& operand, OperandType type) {
  switch (type) {
    case OperandType::kS8: return operand.expect_type({ElementType::kS8}, "quantize it to int8");
    case OperandType::kS4:
    case OperandType::kU4: return operand.expect_type({ElementType::kU8}, "pack two 4-bit codes a byte as uint8");
    case OperandType::kB1: return operand.expect_type({ElementType::kU8}, "pack eight bits a byte as uint8");
    case OperandType::kF16: return operand.expect_type({ElementType::kF16}, "convert it to float16");
    case OperandType::kBF16:
      return operand.expect_type({ElementType::kBF16, ElementType::kU16}, "convert it to bfloat16, or uint16 for its bits");
  }
}

// Elements of a row that holds `stored` values of a tensor: of less than a byte several are in one.
std::int64_t elements_of(std::int64_t stored, OperandType type) {
  return bits_of(type) < 8 ? stored * 8 / bits_of(type) : stored;
}

int ceil_divide(int a, int b) { return a / b + (a % b != 0); }

}  // namespace

OutputType parse_output_type(const std::string& name) {
  if (name == "s32") return OutputType::kS32;
  if (name == "f32") return OutputType::kF32;
  if (name == "f16") return OutputType::kF16;
  if (name == "bf16") return OutputType::kBF16;
  if (name == "s8") return OutputType::kS8;
  throw py::value_error("output type '" + name + "' is unknown; take s32, s8, f32, f16 or bf16");
}

ConvolutionArguments parse_convolution(const py::object& named) {
  ConvolutionArguments c;
  if (named.is_none()) return c;
  const auto sizes = py::cast<py::dict>(named);
  const std::pair<const char*, int*> members[] = {{"images", &c.images},
                                                  {"height", &c.height},
                                                  {"width", &c.width},
                                                  {"channels", &c.channels},
                                                  {"filter_height", &c.filter_height},
                                                  {"filter_width", &c.filter_width},
                                                  {"stride_height", &c.stride_height},
                                                  {"stride_width", &c.stride_width},
                                                  {"padding_height", &c.padding_height},
                                                  {"padding_width", &c.padding_width},
                                                  {"dilation_height", &c.dilation_height},
                                                  {"dilation_width", &c.dilation_width}};
  for (const auto& [name, member] : members) {
    if (!sizes.contains(name)) throw py::value_error(std::string("convolution: no '") + name + "'; pass all sizes");
    *member = py::cast<int>(sizes[name]);
    const int least = std::string(name).starts_with("padding") ? 0 : 1;
    if (*member < least)
      throw py::value_error(std::string("convolution: ") + name + "=" + std::to_string(*member) + "; at least " +
                            std::to_string(least));
  }
  return c;
}

GemmCall::GemmCall(const GemmKernel& kernel, const py::object& a, const py::object& b, const py::object& out,
                   const std::string& output_type, const std::string& activation, int group,
                   const ConvolutionArguments& convolution, const py::dict& optional)
    : kernel_(kernel), a_("a", a), b_("b", b), out_("out", out) {
  arguments.epilogue.output = parse_output_type(output_type);
  arguments.convolution = convolution, arguments.group = group;
  take_optional(optional);
  take_matrices();
  if (find("a_zero")) arguments.epilogue.a_zero = find("a_zero")->address();
  const std::string reason = illegal_reason(kernel, arguments);
  if (!reason.empty()) throw py::value_error(kernel.id + ": " + reason);
  take_epilogue(activation);
  take_residual();
  take_groups();
}

std::vector<const Operand*> GemmCall::inputs() const {
  std::vector<const Operand*> present{&a_, &b_};
  for (const auto& [name, operand] : optional_) {
    if (name != kWorkspace) present.push_back(&operand);
  }
  return present;
}

const Operand* GemmCall::find(const std::string& name) const {
  const auto found = optional_.find(name);
  return found == optional_.end() ? nullptr : &found->second;
}

std::vector<std::int64_t> GemmCall::of_batch(std::vector<std::int64_t> shape) const {
  if (out_.shape().size() == 3) shape.insert(shape.begin(), a_.shape()[0]);
  return shape;
}

void GemmCall::take_optional(const py::dict& optional) {
  for (const auto& [key, value] : optional) {
    const std::string name = py::str(key);
    if (std::find(std::begin(kOptionalNames), std::end(kOptionalNames), name) == std::end(kOptionalNames))
      throw py::type_error("a GEMM has no operand '" + name + "'");
    if (value.is_none()) continue;
    optional_.emplace(name, Operand(name, py::reinterpret_borrow<py::object>(value)));
  }
}

// Matrices, or batches of them, where A is one. Of packed weights every matrix has three dimensions.
void GemmCall::expect_ranks() const {
  const std::size_t rank = a_.shape().size();
  if (rank != 2 && rank != 3)
    a_.reject("has shape " + describe(a_.shape()), "pass a matrix [M, K], or a batch of them [batch, M, K]");
  const bool batch = rank == 3, row_major = kernel_.operands.layout == WeightLayout::kRowMajor;
  if (out_.shape().size() != rank)
    out_.reject("has shape " + describe(out_.shape()),
                batch ? "the output of a batch is [batch, M, N]" : "the output is [M, N]");
  if (row_major && b_.shape().size() != rank)
    b_.reject("has shape " + describe(b_.shape()),
              batch ? "pass a matrix for each of A, [batch, N, K]" : "pass a matrix [N, K]");
}

// An image goes with a matrix of filters, and one of outputs.
void GemmCall::expect_image() const {
  const ConvolutionArguments& c = arguments.convolution;
  if (!c.present()) throw py::value_error(kernel_.id + " convolves; pass 'convolution', the geometry of it");
  if (const char* reason = c.invalid_reason()) throw py::value_error(std::string("convolution: ") + reason);
  a_.expect_shape({c.images, c.height, c.width, c.channels}, "pass the image that 'convolution' tells of, NHWC");
  if (out_.shape().size() != 2) out_.reject("has shape " + describe(out_.shape()), "the output is [pixels, filters]");
}

void GemmCall::take_matrices() {
  const OperandType a_type = kernel_.operands.a;
  expect_operand_type(a_, a_type);
  if (kernel_.operands.image)
    expect_image();
  else
    expect_ranks();
  const auto& [a, b, out] = std::tie(a_.shape(), b_.shape(), out_.shape());
  const bool row_major = kernel_.operands.layout == WeightLayout::kRowMajor;
  const std::size_t row = out.size() - 2;  // the dimension of rows
  const ConvolutionArguments& c = arguments.convolution;
  const std::int64_t batch = row ? a[0] : 1, m = c.present() ? c.m() : a[row];
  const std::int64_t k = c.present() ? c.k() : elements_of(a[row + 1], a_type);
  const std::int64_t n = row_major ? b[row] : out[row + 1];
  for (const std::int64_t extent : {batch, m, n, k}) {
    if (extent < 1 || extent > INT32_MAX) a_.reject("has shape " + describe(a), "M, N and K run from 1 to 2^31-1, a batch too");
  }
  arguments.batch = static_cast<int>(batch);
  expect_weights(static_cast<int>(n), static_cast<int>(k));
  out_.expect_shape(of_batch({m, n}), "the output is [M, N], of a batch [batch, M, N]");
  expect_output_type(out_, arguments.epilogue.output);
  for (const Operand* other : inputs()) {
    if (!(other->place() == a_.place())) other->reject("is on another device than 'a'", "put all operands on one device");
  }
  if (!(out_.place() == a_.place())) a_.reject("is on another device than 'out'", "put all operands on one device");
  expect_chunks(a_), expect_chunks(b_);
  arguments.a = a_.address(), arguments.b = b_.address(), arguments.out = out_.address();
  arguments.m = static_cast<int>(m), arguments.n = static_cast<int>(n), arguments.k = static_cast<int>(k);
}

void GemmCall::expect_weights(int n, int k) const {
  const int bits = bits_of(kernel_.operands.b);
  if (kernel_.operands.layout == WeightLayout::kFragmentMajor) {
    b_.expect_type({ElementType::kU8}, "reorder the weights (immabench.packing); they are bytes then");
    const int block_k = 8 * kFragmentBytes / bits / kFragmentRows;
    return b_.expect_shape({ceil_divide(n, kFragmentRows), ceil_divide(k, block_k), kFragmentBytes},
                           "reorder the weights [N, K] into fragment-major blocks (immabench.packing)");
  }
  expect_operand_type(b_, kernel_.operands.b);
  b_.expect_shape(of_batch({n, bits < 8 ? std::int64_t{k} * bits / 8 : k}), "A [M, K] and B [N, K] share K, and the batch");
}

void GemmCall::take_epilogue(const std::string& activation) {
  EpilogueArguments& e = arguments.epilogue;
  e.activation = parse_activation(activation);
  if (e.output == OutputType::kS32 && !kernel_.operands.integer())
    throw py::value_error(kernel_.id + " sums in float; take output type f32, f16, bf16 or s8");
  if (e.output == OutputType::kS32) refuse_beside_sums(activation);
  e.row_scale_stride = take_vector("row_scale", ElementType::kF32, Extent::kOneOrAll, arguments.m, e.row_scale);
  e.col_scale_stride = take_vector("col_scale", ElementType::kF32, Extent::kOneOrAll, arguments.n, e.col_scale);
  take_vector("bias", ElementType::kF32, Extent::kAll, arguments.n, e.bias);
  const Extent zeros = arguments.convolution.present() ? Extent::kOne : Extent::kOneOrAll;  // pixels belong to many rows
  e.a_zero_stride = take_vector("a_zero", ElementType::kS32, zeros, arguments.m, e.a_zero);
  take_vector("b_sum", ElementType::kS32, Extent::kAll, arguments.n, e.b_sum);
  if ((e.a_zero != 0) != (e.b_sum != 0))
    throw py::value_error("'a_zero' and 'b_sum' correct the sums together; pass both, or neither");
  e.out_scale_stride = take_vector("out_scale", ElementType::kF32, Extent::kOneOrAll, arguments.n, e.out_scale);
  e.out_zero_stride = take_vector("out_zero", ElementType::kS32, Extent::kOneOrAll, arguments.n, e.out_zero);
  const bool s8 = e.output == OutputType::kS8;
  if (s8 && !e.out_scale) throw py::value_error("int8 output needs 'out_scale'; pass one scale, or one per column");
  for (const char* name : {"out_scale", "out_zero"}) {
    if (!s8 && find(name)) find(name)->reject("is given without int8 output", "ask for output type s8, or leave it out");
  }
}

// An int32 output is the sum itself, with nothing but the zero point's correction.
void GemmCall::refuse_beside_sums(const std::string& activation) const {
  constexpr const char* kRemedy = "int32 output is the accumulator itself: take f32, f16, bf16 or s8";
  for (const char* name : {"row_scale", "col_scale", "bias", "residual", "group_scale"}) {
    if (find(name)) find(name)->reject("is given for int32 output", kRemedy);
  }
  if (activation != "none") throw py::value_error("activation '" + activation + "' is given for int32 output; " + kRemedy);
}

// Takes an optional vector; returns its stride, 0 for a single value.
int GemmCall::take_vector(const std::string& name, ElementType type, Extent extent, int count, std::uint64_t& address) const {
  const Operand* vector = find(name);
  if (!vector) return 0;
  vector->expect_type({type}, type == ElementType::kF32 ? "convert it to float32" : "convert it to int32");
  address = vector->address();
  if (extent != Extent::kAll && vector->shape() == std::vector<std::int64_t>{1}) return 0;
  if (extent == Extent::kOne) vector->expect_shape({1}, "pass one value");
  vector->expect_shape(of_batch({count}), extent == Extent::kOneOrAll ? "pass one value, or one per row (column) of the output"
                                                                      : "pass one value per column of the output");
  return 1;
}

void GemmCall::take_residual() {
  EpilogueArguments& e = arguments.epilogue;
  const Operand* residual = find("residual");
  const bool s8 = residual && residual->type() == ElementType::kS8;
  for (const char* name : {"residual_scale", "residual_zero"}) {
    if (find(name) && !s8) find(name)->reject("is given without an int8 residual", "leave it out");
  }
  if (!residual) return;
  residual->expect_type({ElementType::kF32, ElementType::kF16, ElementType::kBF16, ElementType::kU16, ElementType::kS8},
                        "convert it to float32, float16, bfloat16 (or uint16 for its bits) or int8");
  residual->expect_shape(of_batch({arguments.m, arguments.n}), "the residual is [M, N], like the output");
  if (s8 && !find("residual_scale")) residual->reject("is int8 and has no scale", "pass residual_scale, one float32");
  e.residual = residual->address();
  e.residual_type = s8                                      ? OutputType::kS8
                    : residual->type() == ElementType::kF32 ? OutputType::kF32
                    : residual->type() == ElementType::kF16 ? OutputType::kF16
                                                            : OutputType::kBF16;
  take_vector("residual_scale", ElementType::kF32, Extent::kOne, 1, e.residual_scale);
  take_vector("residual_zero", ElementType::kS32, Extent::kOne, 1, e.residual_zero);
}

void GemmCall::take_groups() {
  const GemmOperands& operands = kernel_.operands;
  const bool of_s8 = operands.a == OperandType::kS8;
  expect_present("group_scale", of_s8 && operands.groups == GroupScale::kFloat);
  expect_present("group_affine", operands.b == OperandType::kU4);
  if (arguments.group == 0) return;
  take_group_array("group_scale", {ElementType::kF32}, arguments.group_scale);
  take_group_array("group_affine", {of_s8 ? ElementType::kU16 : ElementType::kU32}, arguments.group_affine);
}

void GemmCall::expect_present(const std::string& name, bool needed) const {
  if ((find(name) != nullptr) == needed) return;
  throw py::value_error(kernel_.id +
                        (needed ? " needs '" + name + "'; pass [K / group, N]" : " takes no '" + name + "'; leave it out"));
}

// Kernels of fragment-major weights copy 16 bytes at a time.
void GemmCall::expect_chunks(const Operand& operand) const {
  if (kernel_.operands.layout == WeightLayout::kFragmentMajor && operand.address() % 16)
    operand.reject("starts at an address that is no multiple of 16 bytes", "pass a copy");
}

void GemmCall::take_group_array(const std::string& name, std::initializer_list<ElementType> types,
                                std::uint64_t& address) const {
  const Operand* array = find(name);
  if (!array) return;
  array->expect_type(types, "see `immabench list kernels` for the kernel's types");
  const int padded = ceil_divide(arguments.n, kFragmentRows) * kFragmentRows;
  array->expect_shape({arguments.k / arguments.group, padded},
                      "pass one value a group of K and column, N padded to 16 as in the weights");
  expect_chunks(*array);
  address = array->address();
}

void GemmCall::take_workspace() {
  const std::int64_t needed = workspace_bytes(kernel_, arguments);
  const Operand* given = workspace();
  if (needed == 0) return;
  constexpr const char* kRemedy = "pass workspace_bytes(...) zeros as uint8";
  if (!given) throw py::value_error(kernel_.id + " needs a 'workspace' of " + std::to_string(needed) + " bytes; " + kRemedy);
  given->expect_type({ElementType::kU8}, kRemedy);
  if (static_cast<std::int64_t>(given->bytes()) < needed || given->address() % 16 != 0)
    given->reject("is not " + std::to_string(needed) + " bytes on a multiple of 16", kRemedy);
  arguments.workspace = given->address();
}

template <class T, class IsValid>
void GemmCall::expect_values(const std::string& name, IsValid&& is_valid, const char* rule) const {
  const Operand* vector = find(name);
  if (!vector) return;
  const auto* values = reinterpret_cast<const T*>(vector->address());
  for (std::int64_t i = 0; i < vector->elements(); ++i) {
    if (!is_valid(values[i])) vector->reject("holds " + std::to_string(values[i]) + " at index " + std::to_string(i), rule);
  }
}

void GemmCall::expect_valid_values() const {
  const auto is_scale = [](float value) { return value > 0 && std::isfinite(value); };
  for (const char* name : {"row_scale", "col_scale", "residual_scale", "out_scale"})
    expect_values<float>(name, is_scale, "scales are positive and finite");
  expect_values<float>("bias", [](float value) { return std::isfinite(value); }, "bias is finite");
  const auto is_s8 = [](std::int32_t value) { return value >= -128 && value <= 127; };
  for (const char* name : {"a_zero", "residual_zero", "out_zero"})
    expect_values<std::int32_t>(name, is_s8, "zero points of int8 are from -128 to 127");
  expect_valid_affine();
}

// Of 16-bit activations a zero word is padding.
void GemmCall::expect_valid_affine() const {
  const auto steps = [](std::uint16_t affine) { return (affine >> 8) <= 128 && 15 * (affine & 0xFF) + (affine >> 8) <= 255; };
  const auto scales = [this](std::uint32_t affine) {
    const bool bf16 = kernel_.operands.a == OperandType::kBF16;
    const std::uint32_t scale = affine & 0xFFFF, infinity = bf16 ? 0x7F80 : 0x7C00, magic = bf16 ? 0x4300 : 0x6400;
    return affine == 0 || (scale > 0 && scale < infinity && affine >> 16 >= magic && affine >> 16 <= magic + 15);
  };
  if (kernel_.operands.a == OperandType::kS8)
    expect_values<std::uint16_t>("group_affine", steps, "(code - zero) * step fits int8 for every code");
  else
    expect_values<std::uint32_t>("group_affine", scales, "scales are positive and finite, zero points from 0 to 15");
}

}  // namespace immabench::bindings
