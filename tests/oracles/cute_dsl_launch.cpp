// Calls the launch that the CuTe DSL compiled for one kernel, on a CPU: a runtime that only prints answers in CUDA's place.
// What it prints is what the DSL itself passes to the kernel, to be compared with what we pass.
#include "gemm.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kParameterBytes[] = {128, 8, 128, 8, 8, 8, 8, 8, 4, 4, 4, 4, 4, 4};
constexpr int kLargestSharedBytes = 232448;

void print_bytes(const void* bytes, int count) {
  for (int i = 0; i < count; ++i) std::printf("%02x", static_cast<const unsigned char*>(bytes)[i]);
  std::printf("\n");
}

void print_attributes(const cudaLaunchConfig_t& config) {
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    if (attribute.id != cudaLaunchAttributeClusterDimension) continue;
    std::printf("cluster %u %u %u\n", attribute.val.clusterDim.x, attribute.val.clusterDim.y, attribute.val.clusterDim.z);
  }
}

}  // namespace

// The functions of the CUDA runtime that the compiled launch calls, by the names it has for them.
extern "C" {
cudaError_t _cuKernelGetAttribute(int* value, ...) { return *value = 0, cudaSuccess; }
cudaError_t _cudaDeviceGetAttribute(int* value, ...) { return *value = kLargestSharedBytes, cudaSuccess; }
cudaError_t _cudaFuncSetAttribute(...) { return cudaSuccess; }
cudaError_t _cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t _cudaKernelSetAttributeForDevice(...) { return cudaSuccess; }
cudaError_t _cudaLibraryGetKernel(void** kernel, ...) { return *kernel = kernel, cudaSuccess; }
cudaError_t _cudaLibraryLoadData(void** library, ...) { return *library = library, cudaSuccess; }

cudaError_t _cudaLaunchKernelEx(const cudaLaunchConfig_t* config, const void*, void** parameters) {
  std::printf("grid %u %u %u\n", config->gridDim.x, config->gridDim.y, config->gridDim.z);
  std::printf("block %u %u %u\n", config->blockDim.x, config->blockDim.y, config->blockDim.z);
  std::printf("shared %zu\n", config->dynamicSmemBytes);
  print_attributes(*config);
  for (int i = 0; i < static_cast<int>(sizeof kParameterBytes / sizeof *kParameterBytes); ++i) {
    print_bytes(parameters[i], kParameterBytes[i]);
  }
  return cudaSuccess;
}
}

// Thirteen numbers: addresses of A, B, C, row scale, column scale and bias, three steps, M, N, K, blocks.
int main(int count, char** words) {
  if (count != 14) return 2;
  gemm_Kernel_Module_t module{};
  cudaLibrary_t* library = &module.module;
  cudaError_t status = cudaSuccess;
  cudaError_t* result = &status;
  void* arguments[] = {&library, &result};
  _mlir_gemm_cuda_init(arguments);
  const auto address = [&](int i) { return reinterpret_cast<void*>(std::strtoull(words[i], nullptr, 0)); };
  const auto number = [&](int i) { return static_cast<int32_t>(std::strtol(words[i], nullptr, 0)); };
  return cute_dsl_gemm_wrapper(&module, address(1), address(2), address(3), address(4), address(5), address(6), number(7),
                               number(8), number(9), number(10), number(11), number(12), number(13));
}
