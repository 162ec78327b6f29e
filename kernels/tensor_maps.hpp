// Tensor maps for the host code of kernels, by one name on both targets: under nvcc as the driver encodes them, elsewhere as
// the emulated machine reads them.
#pragma once
#include <stdexcept>
#include <string>

#include <simt/simt.cuh>
#include <simt/tensor_map.hpp>

namespace immabench::inline SIMT_TARGET {

// The map that a kernel takes as a parameter. Throws std::invalid_argument for a description that no driver encodes, and (on
// the GPU's side) std::runtime_error where the driver refuses or has no such function. Needs no GPU, and links no libcuda.
#if defined(__CUDACC__)
simt::TensorMap encode(const simt::TensorDescription& tensor);
#else
inline simt::TensorMap encode(const simt::TensorDescription& tensor) {
  if (const char* reason = invalid_reason(tensor)) throw std::invalid_argument(std::string("tensor map: ") + reason);
  return {tensor};
}
#endif

}  // namespace immabench::inline SIMT_TARGET
