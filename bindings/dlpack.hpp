// The part of the DLPack ABI that importing a tensor needs: the unversioned capsule of version 0.x, which every library still
// exports, and the table of functions of version 1.3, by which some hand tensors over without a capsule.
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

// DLPackExchangeAPI, the capsule "dlpack_exchange_api" of a type's __dlpack_c_exchange_api__. What is not used is `unused`.
constexpr const char* kExchangeCapsule = "dlpack_exchange_api";
constexpr std::uint32_t kExchangeVersion = 1;  // the major version that this layout is of

struct ExchangeApi {
  std::uint32_t major, minor;
  void* previous;
  void* unused[3];
  // A view of a Python object of that type, which has to outlive it; -1 with a Python exception set. May be null.
  int (*borrow)(void* object, Tensor* tensor);
};

}  // namespace immabench::bindings::dlpack
