// The answers of a build without CUDA.
#include <cuda_devices.hpp>

namespace immabench {

std::string cuda_compiler_version() { return {}; }
std::string cuda_error(int) { return "this build has no CUDA"; }
CudaDevices find_cuda_devices() { return {-1, "this build has no CUDA", {}}; }
int compute_capability(int) { return 0; }
CurrentDevice::CurrentDevice(int index) : index_(index) {}
int CurrentDevice::multiprocessors() const { return 0; }
CurrentDevice::~CurrentDevice() = default;

}  // namespace immabench
