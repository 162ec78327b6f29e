// The part of the DLPack ABI (version 0.x, the unversioned capsule every library still exports) that importing a tensor needs.
// Source: the DLPack specification, https://dmlc.github.io/dlpack/latest/c_api.html
#pragma once
#include <cstdint>

namespace immabench::bindings::dlpack {

constexpr std::int32_t kCpu = 1, kCuda = 2, kCudaHost = 3, kCudaManaged = 13;
constexpr std::uint8_t kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4;

struct Device {
  std::int32_t type;
  std::int32_t index;
};

struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType type;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null when contiguous in C order
  std::uint64_t byte_offset;
};

struct ManagedTensor {
  Tensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};

}  // namespace immabench::bindings::dlpack
