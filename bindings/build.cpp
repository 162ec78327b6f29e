// What was compiled, and which devices there are.
#include <sstream>

#include <cuda_devices.hpp>
#include <cutlass/cutlass_gemm.hpp>

#include "topics.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

const char* simd() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") ? "avx2" : "sse2";
#else
  return "portable";
#endif
}

// "sm_80,sm_90a" -> ["sm_80", "sm_90a"]
std::vector<std::string> architectures() {
  std::vector<std::string> names;
#if defined(IMMABENCH_CUDA)
  std::istringstream list(IMMABENCH_ARCHITECTURES);
  for (std::string name; std::getline(list, name, ',');) names.push_back(name);
#endif
  return names;
}

py::object or_none(const std::string& version) {
  return version.empty() ? py::object(py::none()) : py::object(py::str(version));
}

py::dict build_info() {
  using py::arg;
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "g++ " __VERSION__;
#endif
  const std::string cuda = cuda_compiler_version();
  return py::dict(arg("version") = IMMABENCH_VERSION, arg("cuda") = !cuda.empty(), arg("cuda_version") = or_none(cuda),
                  arg("cutlass_version") = or_none(cutlass_version()), arg("architectures") = architectures(),
                  arg("compiler") = compiler, arg("simd") = simd());
}

py::dict devices() {
  const CudaDevices found = find_cuda_devices();
  py::list list;
  for (const CudaDevice& device : found.devices) {
    using py::arg;
    list.append(py::dict(arg("index") = device.index, arg("name") = device.name, arg("uuid") = device.uuid,
                         arg("compute_capability") = std::vector<int>{device.major, device.minor},
                         arg("sm_count") = device.sm_count, arg("l2_bytes") = device.l2_bytes,
                         arg("memory_bytes") = device.memory_bytes, arg("sm_clock_mhz") = device.sm_clock_khz / 1000));
  }
  return py::dict(py::arg("status") = found.status, py::arg("error") = found.error, py::arg("devices") = list);
}

}  // namespace

void register_build(py::module_& module) {
  module.def("build_info", &build_info, "Version, compilers and architectures of this build.");
  module.def("cuda_devices", &devices, "The CUDA devices, or why there are none.");
}

}  // namespace immabench::bindings
