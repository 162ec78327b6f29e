// Probes of single primitives: run on the emulated machine, launched on a GPU.
#include <probe/probe.hpp>

#include <cuda_devices.hpp>
#include <simt/host/global_memory.hpp>
#include <simt/host/report.hpp>

#include "operand.hpp"
#include "reports.hpp"
#include "topics.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

const Probe& find_probe(const std::string& name) {
  for (const Probe& probe : probes()) {
    if (probe.name == name) return probe;
  }
  throw py::key_error("no probe '" + name + "'; see _native.probes()");
}

// Input and output of one probe, imported and checked.
struct Call {
  Operand in, out;

  Call(const Probe& probe, const py::object& in_object, const py::object& out_object)
      : in("in", in_object), out("out", out_object) {
    for (const Operand* operand : {&in, &out}) {
      operand->expect_type({ElementType::kS32}, "pass random words as int32");
      operand->expect_shape({kProbeWords, lanes_of(probe.shape)}, "this probe takes words by threads");
    }
    if (!(in.place() == out.place())) in.reject("is on another device than 'out'", "put both on one device");
    for (const Operand* operand : {&in, &out}) {
      if (operand->address() % 16) operand->reject("does not start on 16 bytes", "pass an aligned copy");
    }
  }
  ProbeArguments arguments() const { return {in.address(), out.address()}; }
};

py::list list_probes() {
  using py::arg;
  py::list list;
  for (const Probe& probe : probes()) {
    list.append(py::dict(arg("name") = std::string(probe.name), arg("threads") = lanes_of(probe.shape),
                         arg("architecture") = probe.shape.sm90a ? "sm_90a" : "sm_80"));
  }
  return list;
}

py::dict emulate(const std::string& name, const py::object& in, const py::object& out, const std::string& order,
                 std::uint64_t seed) {
  const Probe& probe = find_probe(name);
  const Call call(probe, in, out);
  if (call.in.place().cuda) call.in.reject("is on a CUDA device", "emulation needs CPU tensors; launch_probe runs on the GPU");
  simt::host::GlobalMemory memory;
  memory.add(reinterpret_cast<const void*>(call.in.address()), call.in.bytes(), simt::host::Access::kRead);
  memory.add(reinterpret_cast<const void*>(call.out.address()), call.out.bytes(), simt::host::Access::kWrite);
  const simt::host::Options options = make_options(order, seed, true, true, 1, 16);
  const simt::host::Report report = [&] {
    const py::gil_scoped_release release;
    return probe.emulate(call.arguments(), memory, options);
  }();
  return to_dict(report, 0.0);
}

void launch(const std::string& name, const py::object& in, const py::object& out, std::uint64_t stream) {
  const Probe& probe = find_probe(name);
  const Call call(probe, in, out);
  if (!call.in.place().cuda) call.in.reject("is on the CPU", "move it to a CUDA device; emulate_probe runs on the CPU");
  if (!probe.launch)
    throw std::runtime_error("this build has no CUDA kernels; reinstall with -C cmake.define.IMMABENCH_CUDA=ON");
  const CurrentDevice device(call.in.place().index);
  const int status = probe.launch(call.arguments(), stream);
  if (status != 0 && probe.shape.sm90a)
    throw std::runtime_error("probe " + name + " needs sm_90a, a GPU and a build of it: " + cuda_error(status));
  if (status != 0) throw std::runtime_error("probe " + name + ": the launch failed: " + cuda_error(status));
}

}  // namespace

void register_probes(py::module_& module) {
  using py::arg;
  module.def("probes", &list_probes,
             "Every probe of a primitive: its name, its threads and the oldest architecture that runs it.");
  module.def("emulate_probe", &emulate, arg("name"), arg("inputs"), arg("out"), py::kw_only(), arg("order") = "forward",
             arg("seed") = 0, "Runs a probe on the emulated machine; fills `out` and returns hazards and counts.");
  module.def("launch_probe", &launch, arg("name"), arg("inputs"), arg("out"), py::kw_only(), arg("stream") = 0,
             "Launches a probe on the operands' GPU and the given stream; returns at once.");
}

}  // namespace immabench::bindings
