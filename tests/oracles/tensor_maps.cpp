// What the driver would be told of tensors: fakes with the signatures of <cuda.h> print the names of its enumerators and
// the arrays in full, as the header orders them.
#include <cstdio>
#include <tensor_map_driver.hpp>

namespace {

#define NAME(value) \
  case value: return #value
const char* name(CUtensorMapDataType type) {
  switch (type) {
    NAME(CU_TENSOR_MAP_DATA_TYPE_UINT8);
    NAME(CU_TENSOR_MAP_DATA_TYPE_UINT16);
    NAME(CU_TENSOR_MAP_DATA_TYPE_UINT32);
    NAME(CU_TENSOR_MAP_DATA_TYPE_UINT64);
    default: return "?";
  }
}
const char* name(CUtensorMapSwizzle swizzle) {
  switch (swizzle) {
    NAME(CU_TENSOR_MAP_SWIZZLE_NONE);
    NAME(CU_TENSOR_MAP_SWIZZLE_32B);
    NAME(CU_TENSOR_MAP_SWIZZLE_64B);
    NAME(CU_TENSOR_MAP_SWIZZLE_128B);
    default: return "?";
  }
}
#undef NAME

template <class T>
void print(const char* what, const T* values, unsigned count) {
  std::printf(" %s=", what);
  for (unsigned i = 0; i < count; ++i) std::printf("%s%lld", i ? "," : "", static_cast<long long>(values[i]));
}

// Arguments that both functions take, from the end of the lists on.
void print_modes(const cuuint32_t* element_strides, unsigned rank, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                 CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  print("element_strides", element_strides, rank);
  std::printf(" %s plain=%d promoted=%d zeros=%d\n", name(swizzle), interleave == CU_TENSOR_MAP_INTERLEAVE_NONE,
              promotion == CU_TENSOR_MAP_L2_PROMOTION_L2_256B, fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

CUresult CUDAAPI fake_tiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base, const cuuint64_t* extent,
                            const cuuint64_t* strides, const cuuint32_t* box, const cuuint32_t* element_strides,
                            CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                            CUtensorMapFloatOOBfill fill) {
  map->opaque[0] = 1;
  std::printf("tiled %s base=%p", name(type), base);
  print("extent", extent, rank);
  print("strides", strides, rank - 1);
  print("box", box, rank);
  print_modes(element_strides, rank, interleave, swizzle, promotion, fill);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI fake_im2col(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base, const cuuint64_t* extent,
                             const cuuint64_t* strides, const int* lower, const int* upper, cuuint32_t channels,
                             cuuint32_t pixels, const cuuint32_t* element_strides, CUtensorMapInterleave interleave,
                             CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  map->opaque[0] = 2;
  std::printf("im2col %s base=%p", name(type), base);
  print("extent", extent, rank);
  print("strides", strides, rank - 1);
  print("lower", lower, rank - 2);
  print("upper", upper, rank - 2);
  std::printf(" channels=%u pixels=%u", channels, pixels);
  print_modes(element_strides, rank, interleave, swizzle, promotion, fill);
  return CUDA_ERROR_INVALID_VALUE;
}

void encode(const simt::TensorDescription& tensor) {
  CUtensorMap map{};
  const CUresult status = immabench::encode_with({&fake_tiled, &fake_im2col}, tensor, map);
  std::printf("status %d, map %llu\n", static_cast<int>(status), static_cast<unsigned long long>(map.opaque[0]));
}

}  // namespace

int main() {
  for (int i = 0; i < 4; ++i) {
    encode({.base = 0x1000,
            .element_bytes = 1 << i,
            .rank = 2,
            .extent = {300, 70},
            .stride_bytes = {7, 4096},
            .box = {16, 5},
            .swizzle = static_cast<simt::TensorSwizzle>(i)});
  }
  encode({.base = 0x2000,
          .rank = 5,
          .extent = {11, 12, 13, 14, 15},
          .stride_bytes = {0, 16, 32, 48, 64},
          .box = {16, 2, 3, 4, 5}});
  encode({.base = 0x3000,
          .rank = 5,
          .extent = {64, 9, 8, 7, 6},
          .stride_bytes = {0, 64, 576, 4608, 32256},
          .box = {32, 100},
          .swizzle = simt::TensorSwizzle::k32Bytes,
          .im2col = true,
          .lower = {-1, -2, -3},
          .upper = {1, 2, 3}});
  encode({.base = 0x4000,
          .rank = 4,
          .extent = {64, 9, 8, 7},
          .stride_bytes = {0, 64, 576, 4608},
          .box = {64, 128},
          .swizzle = simt::TensorSwizzle::k64Bytes,
          .im2col = true,
          .traversal_stride = {2, 3}});
}
