// A call of a kernel around a GEMM: its operands, checked, with its arguments; running it on either target.
#pragma once
#include <chrono>
#include <cpu/cpu.hpp>
#include <cuda_devices.hpp>
#include <simt/host/report.hpp>
#include <string>

#include "companion_operands.hpp"
#include "nvtx_range.hpp"
#include "reports.hpp"
#include "topics.hpp"

namespace immabench::bindings {

namespace py = pybind11;

template <class Arguments>
struct Call {
  OperandSet operands;
  Arguments arguments;
};

template <class Arguments>
const Companion<Arguments>& find_companion(const std::string& id) {
  for (const Companion<Arguments>& companion : companions<Arguments>()) {
    if (companion.config.id == id) return companion;
  }
  throw py::key_error("no kernel '" + id + "' of this family; see _native.companions()");
}

template <class Arguments>
void expect_legal(const CompanionConfig& config, const Call<Arguments>& call) {
  const std::string reason = illegal_reason(config, call.arguments);
  if (!reason.empty()) throw py::value_error(config.id + ": " + reason);
  call.operands.expect_one_place();
}

template <class Arguments>
py::dict emulate_companion(const std::string& id, const Call<Arguments>& call, const simt::host::Options& options) {
  const Companion<Arguments>& companion = find_companion<Arguments>(id);
  expect_legal(companion.config, call);
  const Operand& first = call.operands.first();
  if (first.place().cuda)
    first.reject("is on a CUDA device", "emulation needs CPU tensors; launch_" + companion.config.family + " runs on the GPU");
  call.operands.expect_values();
  simt::host::GlobalMemory memory;
  call.operands.add_to(memory);
  const auto start = std::chrono::steady_clock::now();
  const simt::host::Report report = [&] {
    const py::gil_scoped_release release;
    return companion.emulate(call.arguments, memory, options);
  }();
  return to_dict(report, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

template <class Arguments>
void launch_companion(const std::string& id, const Call<Arguments>& call, std::uint64_t stream) {
  const Companion<Arguments>& companion = find_companion<Arguments>(id);
  expect_legal(companion.config, call);
  const Operand& first = call.operands.first();
  if (!first.place().cuda)
    first.reject("is on the CPU", "move it to a CUDA device; emulate_" + companion.config.family + " runs on the CPU");
  if (!companion.launch)
    throw std::runtime_error("this build has no CUDA kernels; reinstall with -C cmake.define.IMMABENCH_CUDA=ON");
  const CurrentDevice device(first.place().index);
  const NvtxRange range(id);
  const int status = companion.launch(call.arguments, stream);
  if (status != 0) throw std::runtime_error(id + ": the launch failed: " + cuda_error(status));
}

// The same natively, on the CPU.
template <class Arguments>
void compute_companion(const std::string& family, const Call<Arguments>& call, int threads) {
  call.operands.expect_one_place();
  const Operand& first = call.operands.first();
  if (first.place().cuda) first.reject("is on a CUDA device", "move it to the CPU; launch_" + family + " runs on the GPU");
  call.operands.expect_values(false);
  const py::gil_scoped_release release;
  cpu::compute(call.arguments, threads);
}

// Defines emulate_<family>, launch_<family> and, where there is such a pass, compute_<family>, which take the inputs of `make`
// by the names in `names`.
template <class Arguments, class... Inputs, class... Names>
void define(py::module_& module, const std::string& family, Call<Arguments> (*make)(Inputs...), const Names&... names) {
  using py::arg;
  module.def(("emulate_" + family).c_str(),
             [make](const std::string& id, Inputs... inputs, const std::string& order, std::uint64_t seed, bool check,
                    bool count, int threads, std::size_t max_hazards) {
               return emulate_companion(id, make(inputs...), make_options(order, seed, check, count, threads, max_hazards));
             },
             arg("kernel_id"), names..., arg("order") = "forward", arg("seed") = 0, arg("check") = true, arg("count") = true,
             arg("threads") = 0, arg("max_hazards") = 16,
             "Runs a kernel on the emulated machine; fills the outputs and returns hazards and counts.");
  module.def(
      ("launch_" + family).c_str(),
      [make](const std::string& id, Inputs... inputs, std::uint64_t stream) { launch_companion(id, make(inputs...), stream); },
      arg("kernel_id"), names..., arg("stream") = 0,
      "Launches a kernel on the operands' GPU and the given stream; returns at once.");
  if constexpr (requires(const Arguments& arguments) { cpu::compute(arguments, 1); }) {
    module.def(("compute_" + family).c_str(),
               [make, family](Inputs... inputs, int threads) { compute_companion(family, make(inputs...), threads); }, names...,
               arg("threads") = 1, "Computes the same natively on the CPU; fills the outputs.");
  }
}

}  // namespace immabench::bindings
