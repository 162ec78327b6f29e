#include <cuda_runtime_api.h>

#include <tensor_map_driver.hpp>
#include <tensor_maps.hpp>

namespace immabench::inline SIMT_TARGET {
namespace {

// The driver that is loaded at run time, if there is one: the module imports without libcuda.
template <class Function>
Function find_driver_function(const char* name) {
  constexpr unsigned kIntroduced = 12000;  // the first CUDA version with tensor maps
  void* address = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  const cudaError_t status = cudaGetDriverEntryPointByVersion(name, &address, kIntroduced, cudaEnableDefault, &found);
#else
  static_assert(CUDART_VERSION >= kIntroduced);
  const cudaError_t status = cudaGetDriverEntryPoint(name, &address, cudaEnableDefault, &found);
#endif
  if (status == cudaSuccess && found == cudaDriverEntryPointSuccess) return reinterpret_cast<Function>(address);
  const std::string why = status == cudaSuccess ? "the driver is too old" : cudaGetErrorString(status);
  throw std::runtime_error("no " + std::string(name) + ": " + why + "; tensor maps need a driver of CUDA 12.0 or later");
}

const TensorMapDriver& loaded_driver() {
  static const TensorMapDriver driver{
      find_driver_function<decltype(TensorMapDriver::encode_tiled)>("cuTensorMapEncodeTiled"),
      find_driver_function<decltype(TensorMapDriver::encode_im2col)>("cuTensorMapEncodeIm2col")};
  return driver;
}

}  // namespace

simt::TensorMap encode(const simt::TensorDescription& tensor) {
  if (const char* reason = invalid_reason(tensor)) throw std::invalid_argument(std::string("tensor map: ") + reason);
  simt::TensorMap map{};
  const CUresult status = encode_with(loaded_driver(), tensor, map.encoded);
  if (status != CUDA_SUCCESS) {
    throw std::runtime_error("the CUDA driver refuses a tensor map of rank " + std::to_string(tensor.rank) + ": CUresult " +
                             std::to_string(status) + "; tensor maps need compute capability 9.0");
  }
  return map;
}

}  // namespace immabench::inline SIMT_TARGET
