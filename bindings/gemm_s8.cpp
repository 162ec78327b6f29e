// The INT8 GEMM family: which kernels there are, running them on the emulated machine, launching them on a GPU.
#include <gemm/gemm_s8.hpp>

#include <chrono>
#include <cmath>
#include <optional>

#include <cuda_devices.hpp>
#include <simt/host/global_memory.hpp>
#include <simt/host/report.hpp>

#include "operand.hpp"
#include "reports.hpp"
#include "topics.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

const GemmS8Kernel& find_kernel(const std::string& id) {
  for (const GemmS8Kernel& kernel : gemm_s8_kernels()) {
    if (kernel.id == id) return kernel;
  }
  throw py::key_error("no kernel '" + id + "'; see `immabench list kernels`");
}

OutputType parse_output_type(const std::string& name) {
  if (name == "s32") return OutputType::kS32;
  if (name == "f32") return OutputType::kF32;
  if (name == "f16") return OutputType::kF16;
  if (name == "bf16") return OutputType::kBF16;
  throw py::value_error("output type '" + name + "' is unknown; take s32, f32, f16 or bf16");
}

void expect_output_type(const Operand& out, OutputType type) {
  switch (type) {
    case OutputType::kS32: return out.expect_type({ElementType::kS32}, "allocate the output as int32");
    case OutputType::kF32: return out.expect_type({ElementType::kF32}, "allocate the output as float32");
    case OutputType::kF16: return out.expect_type({ElementType::kF16}, "allocate the output as float16");
    case OutputType::kBF16:
      return out.expect_type({ElementType::kBF16, ElementType::kU16},
                             "allocate the output as bfloat16, or uint16 for its bits");
  }
}

// The operands of one call, imported and checked against each other.
struct Call {
  Operand a, b, out;
  std::optional<Operand> row_scale, col_scale, bias;
  GemmS8Arguments arguments;

  Call(const GemmS8Kernel& kernel, const py::object& a_object, const py::object& b_object, const py::object& out_object,
       const std::string& output_type, const py::object& row_scale_object, const py::object& col_scale_object,
       const py::object& bias_object)
      : a("a", a_object), b("b", b_object), out("out", out_object) {
    arguments.output = parse_output_type(output_type);
    check_matrices();
    if (const std::string reason = illegal_reason(kernel.tile, arguments.m, arguments.n, arguments.k); !reason.empty()) {
      throw py::value_error(kernel.id + ": " + reason);
    }
    arguments.row_scale_stride = take_vector(row_scale, "row_scale", row_scale_object, arguments.m, true, arguments.row_scale);
    arguments.col_scale_stride = take_vector(col_scale, "col_scale", col_scale_object, arguments.n, true, arguments.col_scale);
    take_vector(bias, "bias", bias_object, arguments.n, false, arguments.bias);
  }

  std::vector<const Operand*> inputs() const {
    std::vector<const Operand*> present{&a, &b};
    for (const auto* optional : {&row_scale, &col_scale, &bias}) {
      if (*optional) present.push_back(&**optional);
    }
    return present;
  }

 private:
  void check_matrices() {
    constexpr const char* kOperandRemedy = "quantize it to int8";
    a.expect_type({ElementType::kS8}, kOperandRemedy);
    b.expect_type({ElementType::kS8}, kOperandRemedy);
    if (a.shape().size() != 2) a.reject("has shape " + describe(a.shape()), "pass a matrix [M, K]");
    if (b.shape().size() != 2) b.reject("has shape " + describe(b.shape()), "pass a matrix [N, K]");
    for (const Operand* operand : {&a, &b}) {
      for (const std::int64_t extent : operand->shape()) {
        if (extent < 1 || extent > INT32_MAX)
          operand->reject("has shape " + describe(operand->shape()), "M, N and K run from 1 to 2^31-1");
      }
    }
    const std::int64_t m = a.shape()[0], n = b.shape()[0], k = a.shape()[1];
    b.expect_shape({n, k}, "A [M, K] and B [N, K] share K");
    out.expect_shape({m, n}, "the output is [M, N]");
    expect_output_type(out, arguments.output);
    if (!(a.place() == b.place()) || !(a.place() == out.place()))
      a.reject("is on another device than 'b' or 'out'", "put all operands on one device");
    arguments.a = a.address(), arguments.b = b.address(), arguments.out = out.address();
    arguments.m = static_cast<int>(m), arguments.n = static_cast<int>(n), arguments.k = static_cast<int>(k);
  }

  // Takes an optional float32 vector of 1 (when allowed) or `extent` values; returns its stride, 0 for a single value.
  int take_vector(std::optional<Operand>& slot, const char* name, const py::object& object, int extent, bool one_for_all,
                  std::uint64_t& address) {
    if (object.is_none()) return 0;
    slot.emplace(name, object);
    if (arguments.output == OutputType::kS32)
      slot->reject("is given for int32 output", "int32 output is the accumulator itself: take f32, f16 or bf16");
    slot->expect_type({ElementType::kF32}, "convert it to float32");
    if (!(slot->place() == a.place())) slot->reject("is on another device than 'a'", "put all operands on one device");
    address = slot->address();
    if (one_for_all && slot->shape() == std::vector<std::int64_t>{1}) return 0;
    slot->expect_shape({extent}, one_for_all ? "pass one scale, or one per row (column) of the output"
                                             : "pass one value per column of the output");
    return 1;
  }
};

// The values of an epilogue vector, looked at only where that means no waiting for a GPU.
template <class IsValid>
void expect_values(const std::optional<Operand>& vector, IsValid&& is_valid, const char* rule) {
  if (!vector) return;
  const auto* values = reinterpret_cast<const float*>(vector->address());
  for (std::int64_t i = 0; i < vector->elements(); ++i) {
    if (!is_valid(values[i])) vector->reject("holds " + std::to_string(values[i]) + " at index " + std::to_string(i), rule);
  }
}

void expect_valid_epilogue(const Call& call) {
  const auto is_scale = [](float value) { return value > 0 && std::isfinite(value); };
  expect_values(call.row_scale, is_scale, "scales are positive and finite");
  expect_values(call.col_scale, is_scale, "scales are positive and finite");
  expect_values(call.bias, [](float value) { return std::isfinite(value); }, "bias is finite");
}

py::dict emulate(const std::string& id, const py::object& a, const py::object& b, const py::object& out,
                 const std::string& output_type, const py::object& row_scale, const py::object& col_scale,
                 const py::object& bias, const std::string& order, std::uint64_t seed, bool check, bool count, int threads,
                 std::size_t max_hazards, int multiprocessors) {
  const GemmS8Kernel& kernel = find_kernel(id);
  const simt::host::Options options = make_options(order, seed, check, count, threads, max_hazards);
  Call call(kernel, a, b, out, output_type, row_scale, col_scale, bias);
  if (multiprocessors < 1) throw py::value_error("multiprocessors=" + std::to_string(multiprocessors) + ": at least 1");
  call.arguments.multiprocessors = multiprocessors;
  if (call.a.place().cuda) call.a.reject("is on a CUDA device", "emulation needs CPU tensors; launch_gemm_s8 runs on the GPU");
  expect_valid_epilogue(call);

  simt::host::GlobalMemory memory;
  for (const Operand* input : call.inputs()) {
    memory.add(reinterpret_cast<const void*>(input->address()), input->bytes(), simt::host::Access::kRead);
  }
  memory.add(reinterpret_cast<const void*>(call.out.address()), call.out.bytes(), simt::host::Access::kWrite);
  const auto start = std::chrono::steady_clock::now();
  const simt::host::Report report = [&] {
    const py::gil_scoped_release release;
    return kernel.emulate(call.arguments, memory, options);
  }();
  return to_dict(report, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

void launch(const std::string& id, const py::object& a, const py::object& b, const py::object& out,
            const std::string& output_type, const py::object& row_scale, const py::object& col_scale, const py::object& bias,
            std::uint64_t stream) {
  const GemmS8Kernel& kernel = find_kernel(id);
  const Call call(kernel, a, b, out, output_type, row_scale, col_scale, bias);
  if (!call.a.place().cuda) call.a.reject("is on the CPU", "move it to a CUDA device; emulate_gemm_s8 runs on the CPU");
  if (!kernel.launch)
    throw std::runtime_error("this build has no CUDA kernels; reinstall with -C cmake.define.IMMABENCH_CUDA=ON");
  const CurrentDevice device(call.a.place().index);
  const int status = kernel.launch(call.arguments, stream);
  if (status != 0) throw std::runtime_error(kernel.id + ": the launch failed: " + cuda_error(status));
}

py::dict describe_kernel(const GemmS8Kernel& kernel) {
  const GemmTile& tile = kernel.tile;
  py::list architectures;
  for (const int architecture : {80, 86, 89, 90}) {
    if (runs_on(tile, architecture))
      architectures.append("sm_" + std::to_string(architecture) + (architecture == 90 ? "a" : ""));
  }
  using py::arg;
  return py::dict(arg("id") = kernel.id, arg("family") = "gemm_s8", arg("provider") = "handwritten",
                  arg("architectures") = architectures,
                  arg("operand_types") = py::dict(arg("a") = "s8", arg("b") = "s8", arg("accumulator") = "s32"),
                  arg("output_types") = std::vector<std::string>{"s32", "f32", "f16", "bf16"},
                  arg("block_tile") = std::vector<int>{tile.block_m, tile.block_n, tile.block_k},
                  arg("warps") = std::vector<int>{tile.warps_m, tile.warps_n},
                  arg("warp_tile") = std::vector<int>{tile.warp_m, tile.warp_n}, arg("stages") = tile.stages,
                  arg("cluster") = std::vector<int>{tile.cluster_m, tile.cluster_n}, arg("split_k") = tile.split_k,
                  arg("swapped") = tile.swapped, arg("threads") = tile.threads, arg("shared_bytes") = tile.shared_bytes,
                  arg("mma") = tile.instruction);
}

py::list kernels() {
  py::list result;
  for (const GemmS8Kernel& kernel : gemm_s8_kernels()) result.append(describe_kernel(kernel));
  return result;
}

py::object illegal(const std::string& id, int m, int n, int k, const std::string& output_type) {
  parse_output_type(output_type);
  const std::string reason = illegal_reason(find_kernel(id).tile, m, n, k);
  return reason.empty() ? py::none() : py::object(py::str(reason));
}

}  // namespace

void register_gemm_s8(py::module_& module) {
  using py::arg;
  module.def("kernels", &kernels, "Every compiled tile configuration.");
  module.def("illegal_reason", &illegal, arg("kernel_id"), arg("m"), arg("n"), arg("k"), arg("output_type"),
             "Why a kernel cannot compute a problem, or None.");
  module.def("emulate_gemm_s8", &emulate, arg("kernel_id"), arg("a"), arg("b"), arg("out"), py::kw_only(), arg("output_type"),
             arg("row_scale") = py::none(), arg("col_scale") = py::none(), arg("bias") = py::none(), arg("order") = "forward",
             arg("seed") = 0, arg("check") = true, arg("count") = true, arg("threads") = 0, arg("max_hazards") = 16,
             arg("multiprocessors") = GemmS8Arguments{}.multiprocessors,
             "Runs a kernel on the emulated machine; fills `out` and returns hazards and counts.");
  module.def("launch_gemm_s8", &launch, arg("kernel_id"), arg("a"), arg("b"), arg("out"), py::kw_only(), arg("output_type"),
             arg("row_scale") = py::none(), arg("col_scale") = py::none(), arg("bias") = py::none(), arg("stream") = 0,
             "Launches a kernel on the operands' GPU and the given stream; returns at once.");
}

}  // namespace immabench::bindings
