// Stands for the NVIDIA driver, so that cuda-bench loads on a machine without a GPU and measures CPU-only benchmarks.
//
// Its extension needs libcuda.so.1 and libnvidia-ml.so.1 to be there, and nvbench throws what every CUDA call returns
// without a driver. Built twice, under both names, and loaded before the extension, this comes first in symbol lookup.

#include <cstddef>
#include <string>

enum cudaError : int {};
enum cudaError_enum : int {};

namespace nvbench::cuda_call {

void throw_error(const std::string&, std::size_t, const std::string&, cudaError) {}
void throw_error(const std::string&, std::size_t, const std::string&, cudaError_enum) {}
void exit_error(const std::string&, std::size_t, const std::string&, cudaError) {}

}  // namespace nvbench::cuda_call

extern "C" {
int cuInit(unsigned) { return 0; }
int nvmlInit_v2() { return 1; }
int nvmlShutdown() { return 1; }
int nvmlDeviceGetHandleByPciBusId_v2() { return 1; }
int nvmlDeviceResetGpuLockedClocks() { return 1; }
int nvmlDeviceSetGpuLockedClocks() { return 1; }
int nvmlDeviceSetPersistenceMode() { return 1; }
const char* nvmlErrorString(int) { return "no NVML here"; }
}
