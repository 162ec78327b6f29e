#include <cuda_runtime_api.h>

#include <stdexcept>

#include <cuda_devices.hpp>

namespace immabench {
namespace {

int attribute(cudaDeviceAttr name, int device) {
  int value = 0;
  cudaDeviceGetAttribute(&value, name, device);
  return value;
}

// The 16 bytes in the grouping of RFC 4122, as the driver's tools print them.
std::string format_uuid(const cudaUUID_t& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    const auto byte = static_cast<unsigned char>(uuid.bytes[i]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

CudaDevice describe(int index) {
  cudaDeviceProp properties{};
  cudaGetDeviceProperties(&properties, index);
  return {index,
          properties.name,
          format_uuid(properties.uuid),
          properties.major,
          properties.minor,
          properties.multiProcessorCount,
          static_cast<std::size_t>(properties.l2CacheSize),
          properties.totalGlobalMem,
          attribute(cudaDevAttrClockRate, index)};
}

}  // namespace

std::string cuda_compiler_version() {
  return std::to_string(__CUDACC_VER_MAJOR__) + "." + std::to_string(__CUDACC_VER_MINOR__);
}

std::string cuda_error(int status) {
  const auto error = static_cast<cudaError_t>(status);
  return std::string(cudaGetErrorName(error)) + " (" + cudaGetErrorString(error) + ")";
}

CudaDevices find_cuda_devices() {
  CudaDevices found;
  int count = 0;  // left unwritten when the call fails, for instance without a driver
  found.status = cudaGetDeviceCount(&count);
  if (found.status != cudaSuccess) {
    found.error = cuda_error(found.status);
    return found;
  }
  for (int index = 0; index < count; ++index) found.devices.push_back(describe(index));
  return found;
}

int compute_capability(int index) {
  return 10 * attribute(cudaDevAttrComputeCapabilityMajor, index) + attribute(cudaDevAttrComputeCapabilityMinor, index);
}

CurrentDevice::CurrentDevice(int index) : index_(index) {
  cudaGetDevice(&before_);
  const cudaError_t status = cudaSetDevice(index);
  if (status != cudaSuccess) throw std::runtime_error("device " + std::to_string(index) + ": " + cuda_error(status));
}

int CurrentDevice::multiprocessors() const { return attribute(cudaDevAttrMultiProcessorCount, index_); }

CurrentDevice::~CurrentDevice() {
  if (before_ >= 0) cudaSetDevice(before_);
}

}  // namespace immabench
