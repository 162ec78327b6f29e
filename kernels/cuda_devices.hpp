// The CUDA devices of this machine, seen through the CUDA runtime that is linked in; nothing here needs a driver to load.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace immabench {

struct CudaDevice {
  int index = 0;
  std::string name;
  std::string uuid;          // "GPU-..." as NVML and nvidia-smi write it, whatever CUDA_VISIBLE_DEVICES renumbers
  int major = 0, minor = 0;  // compute capability
  int sm_count = 0;
  std::size_t l2_bytes = 0, memory_bytes = 0;
  int sm_clock_khz = 0;
};

struct CudaDevices {
  int status = 0;  // a cudaError_t; every value but 0 means that no device can be used
  std::string error;
  std::vector<CudaDevice> devices;
};

// Version of the CUDA compiler ("13.0"); empty in a build without CUDA.
std::string cuda_compiler_version();
CudaDevices find_cuda_devices();
std::string cuda_error(int status);
// Of a device: 80, 86, 89, 90.
int compute_capability(int index);

// Makes a device current for a scope.
class CurrentDevice {
 public:
  explicit CurrentDevice(int index);
  ~CurrentDevice();
  int multiprocessors() const;
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int index_, before_ = -1;
};

}  // namespace immabench
