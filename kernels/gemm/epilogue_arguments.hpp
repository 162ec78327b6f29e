// What may follow the sums of a GEMM, as a call states it: addresses and integers, 0 for what is absent.
#pragma once
#include <simt/vocabulary.hpp>

namespace immabench {

// The element types a kernel can write, and add.
enum class OutputType : int { kS32, kF32, kF16, kBF16, kS8 };

SIMT_CALLABLE constexpr int bytes_of(OutputType type) {
  if (type == OutputType::kS8) return 1;
  return type == OutputType::kS32 || type == OutputType::kF32 ? 4 : 2;
}

enum class Activation : int { kNone, kRelu, kGelu };

// Vectors that may hold one value for all, or one per row or column: their strides are 0 or 1. In the order of their use:
struct EpilogueArguments {
  std::uint64_t a_zero = 0, b_sum = 0;                   // int32 [1] or [M], and [N]: sums -= a_zero[m] * b_sum[n]
  std::uint64_t row_scale = 0, col_scale = 0, bias = 0;  // float32 [1] or [M], [1] or [N], [N]
  std::uint64_t residual = 0;                            // [M, N] of residual_type
  std::uint64_t residual_scale = 0, residual_zero = 0;   // float32 [1], int32 [1]: of an int8 residual
  std::uint64_t out_scale = 0, out_zero = 0;             // float32 and int32, [1] or [N]: of int8 output
  int a_zero_stride = 0, row_scale_stride = 0, col_scale_stride = 0, out_scale_stride = 0, out_zero_stride = 0;
  OutputType residual_type = OutputType::kF32;  // f32, f16, bf16 or s8
  Activation activation = Activation::kNone;
  OutputType output = OutputType::kS32;
};

}  // namespace immabench
