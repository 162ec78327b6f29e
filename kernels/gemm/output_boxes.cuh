// Whether an output leaves by the Tensor Memory Accelerator, and what it is told of it: on the host, for both targets.
#pragma once
#include <gemm/gemm_call.cuh>
#include <parts/tensor_epilogue.cuh>
#include <simt/tensor_map.hpp>

namespace immabench::inline SIMT_TARGET {

inline simt::TensorDescription describe_output(const GemmArguments& g) {
  const int bytes = bytes_of(g.epilogue.output);
  return {.base = g.out,
          .element_bytes = bytes,
          .rank = 2,
          .extent = {std::uint64_t(g.n), std::uint64_t(g.m)},
          .stride_bytes = {0, std::uint64_t(g.n) * std::uint64_t(bytes)},
          .box = {std::uint32_t(kBoxRowBytes / bytes), kBoxRows},
          .swizzle = simt::TensorSwizzle::k128Bytes};
}

// Scales alone make the output, and its rows start on 16 bytes. Boxes of a batch would reach into the next product.
inline bool leaves_by_boxes(const GemmArguments& g) {
  return g.batch == 1 && make_epilogue(g).scales_alone() && invalid_reason(describe_output(g)) == nullptr;
}

}  // namespace immabench::inline SIMT_TARGET
