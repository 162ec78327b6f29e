// What the driver is told of a tensor (CUDA Driver API, cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col). Apart from the
// lookup of the driver, so that the order and the meaning of the arguments can be tested without one.
#pragma once
#include <cuda.h>

#include <algorithm>

#include <simt/tensor_map.hpp>

namespace immabench {

// The driver's functions, as <cuda.h> declares them.
struct TensorMapDriver {
  decltype(&cuTensorMapEncodeTiled) encode_tiled;
  decltype(&cuTensorMapEncodeIm2col) encode_im2col;
};

// Elements are moved and never computed with, so that their width is all that counts.
inline CUtensorMapDataType data_type_of(int element_bytes) {
  switch (element_bytes) {
    case 1: return CU_TENSOR_MAP_DATA_TYPE_UINT8;
    case 2: return CU_TENSOR_MAP_DATA_TYPE_UINT16;
    case 4: return CU_TENSOR_MAP_DATA_TYPE_UINT32;
    default: return CU_TENSOR_MAP_DATA_TYPE_UINT64;
  }
}

inline CUtensorMapSwizzle swizzle_of(simt::TensorSwizzle swizzle) {
  switch (swizzle) {
    case simt::TensorSwizzle::kNone: return CU_TENSOR_MAP_SWIZZLE_NONE;
    case simt::TensorSwizzle::k32Bytes: return CU_TENSOR_MAP_SWIZZLE_32B;
    case simt::TensorSwizzle::k64Bytes: return CU_TENSOR_MAP_SWIZZLE_64B;
    default: return CU_TENSOR_MAP_SWIZZLE_128B;
  }
}

// Encodes a valid description. Elements outside the tensor read as zeros, and L2 is asked for 256 bytes at a time: boxes are
// read by whole rows, and neighbouring blocks want the rest.
inline CUresult encode_with(const TensorMapDriver& driver, const simt::TensorDescription& tensor, CUtensorMap& map) {
  constexpr auto kInterleave = CU_TENSOR_MAP_INTERLEAVE_NONE;
  constexpr auto kPromotion = CU_TENSOR_MAP_L2_PROMOTION_L2_256B;
  constexpr auto kFill = CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
  constexpr int kRank = simt::kMaxTensorRank;
  cuuint32_t element_strides[kRank] = {1, 1, 1, 1, 1};
  cuuint64_t extent[kRank], strides[kRank];
  std::copy_n(tensor.extent, kRank, extent);
  std::copy_n(tensor.stride_bytes + 1, kRank - 1, strides);  // that of dimension 0 is the element's size
  const auto type = data_type_of(tensor.element_bytes);
  const auto swizzle = swizzle_of(tensor.swizzle);
  const auto rank = static_cast<cuuint32_t>(tensor.rank);
  void* const base = reinterpret_cast<void*>(tensor.base);
  if (tensor.im2col) {
    std::copy_n(tensor.traversal_stride, tensor.spatial_rank(), element_strides + 1);
    return driver.encode_im2col(&map, type, rank, base, extent, strides, tensor.lower, tensor.upper, tensor.box[0],
                                tensor.box[1], element_strides, kInterleave, swizzle, kPromotion, kFill);
  }
  return driver.encode_tiled(&map, type, rank, base, extent, strides, tensor.box, element_strides, kInterleave, swizzle,
                             kPromotion, kFill);
}

}  // namespace immabench
