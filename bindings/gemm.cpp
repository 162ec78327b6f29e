// The GEMM families: which kernels there are, CUTLASS' too, running them on the emulated machine, launching them on a GPU.
#include <gemm/gemm.hpp>

#include <chrono>

#include <cuda_devices.hpp>
#include <cutlass/cutlass_gemm.hpp>
#include <simt/host/global_memory.hpp>
#include <simt/host/report.hpp>

#include "gemm_call.hpp"
#include "nvtx_range.hpp"
#include "reports.hpp"
#include "topics.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

const GemmKernel& find_kernel(const std::string& id) {
  for (const auto& table : {gemm_kernels(), cutlass_kernels()}) {
    for (const GemmKernel& kernel : table) {
      if (kernel.id == id) return kernel;
    }
  }
  throw py::key_error("no kernel '" + id + "'; see `immabench list kernels`");
}

py::dict emulate(const std::string& id, const py::object& a, const py::object& b, const py::object& out,
                 const std::string& output_type, const std::string& activation, int group, const std::string& order,
                 std::uint64_t seed, bool check, bool count, int threads, std::size_t max_hazards, int multiprocessors,
                 const py::object& convolution, const py::kwargs& optional) {
  const GemmKernel& kernel = find_kernel(id);
  if (!kernel.emulate) throw py::value_error(id + " runs on a GPU alone; a kernel of immabench's own can be emulated");
  const simt::host::Options options = make_options(order, seed, check, count, threads, max_hazards);
  GemmCall call(kernel, a, b, out, output_type, activation, group, parse_convolution(convolution), optional);
  if (multiprocessors < 1) throw py::value_error("multiprocessors=" + std::to_string(multiprocessors) + ": at least 1");
  call.arguments.multiprocessors = multiprocessors;
  if (call.a().place().cuda) call.a().reject("is on a CUDA device", "emulation needs CPU tensors; launch_gemm runs on the GPU");
  call.expect_valid_values();
  call.take_workspace();

  simt::host::GlobalMemory memory;
  for (const Operand* input : call.inputs()) {
    memory.add(reinterpret_cast<const void*>(input->address()), input->bytes(), simt::host::Access::kRead);
  }
  memory.add(reinterpret_cast<const void*>(call.out().address()), call.out().bytes(), simt::host::Access::kWrite);
  if (const Operand* workspace = call.workspace())
    memory.add(reinterpret_cast<const void*>(workspace->address()), workspace->bytes(), simt::host::Access::kReadWrite);
  const auto start = std::chrono::steady_clock::now();
  const simt::host::Report report = [&] {
    const py::gil_scoped_release release;
    return kernel.emulate(call.arguments, memory, options);
  }();
  return to_dict(report, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

bool is_cutlass(const GemmKernel& kernel) { return kernel.provider == "cutlass"; }

std::string missing_reason(const GemmKernel& kernel) {
  if (cuda_compiler_version().empty())
    return "this build has no CUDA kernels; reinstall with -C cmake.define.IMMABENCH_CUDA=ON";
  if (cutlass_version().empty())
    return "this build has no CUTLASS kernels; reinstall with -C cmake.define.IMMABENCH_CUTLASS=ON";
  return kernel.id + " is not in this build, which has no sm_90a; reinstall with -C cmake.define.IMMABENCH_CUDA_ARCHS=90a";
}

void launch(const std::string& id, const py::object& a, const py::object& b, const py::object& out,
            const std::string& output_type, const std::string& activation, int group, std::uint64_t stream,
            const py::object& convolution, const py::kwargs& optional) {
  const GemmKernel& kernel = find_kernel(id);
  GemmCall call(kernel, a, b, out, output_type, activation, group, parse_convolution(convolution), optional);
  if (!call.a().place().cuda) call.a().reject("is on the CPU", "move it to a CUDA device; emulate_gemm runs on the CPU");
  if (!kernel.launch) throw std::runtime_error(missing_reason(kernel));
  if (is_cutlass(kernel)) {
    const std::string reason = cutlass_illegal_reason(kernel, call.arguments);
    if (!reason.empty()) throw py::value_error(kernel.id + ": " + reason);
  }
  const CurrentDevice device(call.a().place().index);
  call.arguments.multiprocessors = device.multiprocessors();
  call.take_workspace();
  const std::string unsupported = unsupported_reason(kernel.tile, compute_capability(call.a().place().index));
  if (!unsupported.empty()) throw std::runtime_error(kernel.id + ": " + unsupported);
  const NvtxRange range(kernel.id);
  const int status = kernel.launch(call.arguments, stream);
  if (status != 0) throw std::runtime_error(kernel.id + ": the launch failed: " + cuda_error(status));
}

const char* name_of(OperandType type) {
  switch (type) {
    case OperandType::kS8: return "s8";
    case OperandType::kS4: return "s4";
    case OperandType::kU4: return "u4";
    case OperandType::kF16: return "f16";
    case OperandType::kBF16: return "bf16";
    case OperandType::kB1: break;
  }
  return "b1";
}

const char* name_of(GroupScale groups) {
  return groups == GroupScale::kNone ? "none" : groups == GroupScale::kStep ? "step" : "float";
}

py::dict describe_kernel(const GemmKernel& kernel) {
  const GemmTile& tile = kernel.tile;
  const GemmOperands& operands = kernel.operands;
  const bool fragments = operands.layout == WeightLayout::kFragmentMajor;
  std::vector<std::string> output_types{"s8", "f32", "f16", "bf16"};
  if (operands.integer()) output_types.insert(output_types.begin(), "s32");
  py::list architectures;
  for (const int architecture : {80, 86, 89, 90}) {
    if (unsupported_reason(tile, architecture).empty())
      architectures.append("sm_" + std::to_string(architecture) + (architecture == 90 ? "a" : ""));
  }
  using py::arg;
  return py::dict(arg("id") = kernel.id, arg("family") = kernel.family, arg("provider") = kernel.provider,
                  arg("architectures") = architectures,
                  arg("operand_types") = py::dict(arg("a") = name_of(operands.a), arg("b") = name_of(operands.b),
                                                  arg("accumulator") = operands.integer() ? "s32" : "f32"),
                  arg("output_types") = output_types, arg("weight_layout") = fragments ? "fragment_major" : "row_major",
                  arg("group_scale") = name_of(operands.groups),
                  arg("block_tile") = std::vector<int>{tile.block_m, tile.block_n, tile.block_k},
                  arg("warps") = std::vector<int>{tile.warps_m, tile.warps_n},
                  arg("warp_tile") = std::vector<int>{tile.warp_m, tile.warp_n}, arg("stages") = tile.stages,
                  arg("cluster") = std::vector<int>{tile.cluster_m, tile.cluster_n}, arg("split_k") = tile.split_k,
                  arg("streamed") = tile.streamed, arg("swapped") = tile.swapped, arg("threads") = tile.threads,
                  arg("shared_bytes") = tile.shared_bytes, arg("mma") = tile.instruction);
}

py::list describe_kernels(std::span<const GemmKernel> kernels) {
  py::list result;
  for (const GemmKernel& kernel : kernels) result.append(describe_kernel(kernel));
  return result;
}

py::object illegal(const std::string& id, int m, int n, int k, const std::string& output_type, int group, bool a_zero,
                   int batch, const py::object& convolution) {
  parse_output_type(output_type);
  GemmArguments call{.m = m, .n = n, .k = k, .batch = batch, .convolution = parse_convolution(convolution), .group = group};
  call.epilogue.a_zero = a_zero;  // an address, of which nothing but its presence is looked at
  const GemmKernel& kernel = find_kernel(id);
  const std::string reason = is_cutlass(kernel) ? cutlass_illegal_reason(kernel, call) : illegal_reason(kernel, call);
  return reason.empty() ? py::none() : py::object(py::str(reason));
}

std::int64_t workspace(const std::string& id, int m, int n, int k, int multiprocessors, int batch) {
  return workspace_bytes(find_kernel(id), {.m = m, .n = n, .k = k, .batch = batch, .multiprocessors = multiprocessors});
}

}  // namespace

void register_gemm(py::module_& module) {
  using py::arg;
  module.def("kernels", [] { return describe_kernels(gemm_kernels()); }, "Every compiled tile configuration.");
  module.def("cutlass_kernels", [] { return describe_kernels(cutlass_kernels()); }, "Every tile configuration of CUTLASS.");
  module.def("illegal_reason", &illegal, arg("kernel_id"), arg("m"), arg("n"), arg("k"), arg("output_type"), py::kw_only(),
             arg("group") = 0, arg("a_zero") = false, arg("batch") = 1, arg("convolution") = py::none(),
             "Why a kernel cannot compute a problem, or None.");
  module.def("workspace_bytes", &workspace, arg("kernel_id"), arg("m"), arg("n"), arg("k"), py::kw_only(),
             arg("multiprocessors"), arg("batch") = 1, "Bytes that the blocks of a kernel need to add up what they share.");
  module.def("emulate_gemm", &emulate, arg("kernel_id"), arg("a"), arg("b"), arg("out"), py::kw_only(), arg("output_type"),
             arg("activation") = "none", arg("group") = 0, arg("order") = "forward", arg("seed") = 0, arg("check") = true,
             arg("count") = true, arg("threads") = 0, arg("max_hazards") = 16,
             arg("multiprocessors") = GemmArguments{}.multiprocessors, arg("convolution") = py::none(),
             "Runs a kernel on the emulated machine; fills `out` and returns hazards and counts.");
  module.def("launch_gemm", &launch, arg("kernel_id"), arg("a"), arg("b"), arg("out"), py::kw_only(), arg("output_type"),
             arg("activation") = "none", arg("group") = 0, arg("stream") = 0, arg("convolution") = py::none(),
             "Launches a kernel on the operands' GPU and the given stream; returns at once.");
}

}  // namespace immabench::bindings
