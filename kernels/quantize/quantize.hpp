// What a call of a quantizer is given, and what it can take. Matrices are row-major [rows, columns] without padding;
// addresses of absent operands are 0.
#pragma once
#include <companions.hpp>
#include <cstdint>
#include <string>

namespace immabench {

enum class FloatType : int { kF32, kF16, kBF16 };
enum class CodeType : int { kS8, kS4 };                   // int8, or int4 two a byte along the columns, low nibble first
enum class Granularity : int { kTensor, kRow, kColumn };  // of scales (float32) and zero points (int32): one, [rows], [columns]
// Fragment-major orders of weights: bits of a weight, bits of the multiplication.
enum class FragmentLayout : int { kW4M8, kW8M8, kW4M4, kW4M16, kW8M16 };

constexpr int kElementwiseThreads = 256;  // a block of the kernels that go element by element
constexpr int kSmallestVector = 4;        // elements they take at a time, at least

// codes = clamp(rint(x / scale) + zero_point, qmin, qmax)
struct QuantizeArguments {
  std::uint64_t x = 0, codes = 0, scale = 0, zero_point = 0;
  FloatType type = FloatType::kF32;
  CodeType code_type = CodeType::kS8;
  Granularity granularity = Granularity::kTensor;
  int rows = 0, columns = 0, qmin = -128, qmax = 127;
};

// out = f32(code - zero_point) * scale, rounded to `type`
struct DequantizeArguments {
  std::uint64_t codes = 0, out = 0, scale = 0, zero_point = 0;
  FloatType type = FloatType::kF32;
  CodeType code_type = CodeType::kS8;
  Granularity granularity = Granularity::kTensor;
  int rows = 0, columns = 0;
};

// codes = clamp(rint(v / scale) + zero_point, qmin, qmax),   v = ((f32(x - x_zero_point) * row_scale) * col_scale) + bias
struct RequantizeArguments {
  std::uint64_t x = 0;  // int32 accumulators, or int8 codes of another scale
  bool accumulators = true;
  std::uint64_t x_zero_point = 0;                        // int32 [1]
  std::uint64_t row_scale = 0, col_scale = 0, bias = 0;  // float32; bias [columns]
  int row_scale_stride = 0, col_scale_stride = 0;        // 0: one scale for all, 1: one per row (column)
  std::uint64_t scale = 0, zero_point = 0;               // of the result: float32 [1], int32 [1]
  std::uint64_t codes = 0;
  int rows = 0, columns = 0, qmin = -128, qmax = 127;
};

// int8 codes in [-8, 7] and the same two a byte: `columns` counts codes
struct PackS4Arguments {
  std::uint64_t codes = 0, packed = 0;
  int rows = 0, columns = 0;
};
struct UnpackS4Arguments {
  std::uint64_t packed = 0, codes = 0;
  int rows = 0, columns = 0;
};

// Weights [rows, columns], rows of whole bytes, in blocks of 512 bytes: each 16 rows of 32 bytes, in the order of `layout`
struct ReorderWeightsArguments {
  std::uint64_t codes = 0, packed = 0;
  FragmentLayout layout = FragmentLayout::kW4M8;
  bool to_unsigned = false;  // codes of 4 bits are signed, and 8 is added to them
  int rows = 0, columns = 0;
};

// Scale, and where `zero_point` is there zero point, of each row from its own values; then its codes.
struct QuantizeDynamicArguments {
  std::uint64_t x = 0, codes = 0, scale = 0;  // float32 [rows]
  std::uint64_t zero_point = 0, row_sum = 0;  // int32 [rows]: of asymmetric codes; the sum of a row's codes
  FloatType type = FloatType::kF32;
  int rows = 0, columns = 0;
};

// y = round((h - mean(h)) / sqrt(var(h) + eps) * gamma + beta),   h = round(x + residual);   then the codes of y
struct LayerNormQuantizeArguments {
  std::uint64_t x = 0, residual = 0, normalised = 0;  // h and y have the type of x
  std::uint64_t gamma = 0, beta = 0;                  // float32 [columns]
  float eps = 0;
  bool dynamic = false;  // scale and zero point of each row are found, as above, and written; else they are given, one for all
  std::uint64_t codes = 0, scale = 0, zero_point = 0, row_sum = 0;
  FloatType type = FloatType::kF32;
  int rows = 0, columns = 0, qmin = -128, qmax = 127;
};

// Why this kernel cannot take a matrix of this size, with what to change; empty when it can.
std::string illegal_reason(const CompanionConfig& config, int rows, int columns);

// The same of a call of any family whose arguments are a matrix.
template <class Arguments>
  requires requires(const Arguments& a) { a.rows, a.columns; }
std::string illegal_reason(const CompanionConfig& config, const Arguments& arguments) {
  return illegal_reason(config, arguments.rows, arguments.columns);
}

}  // namespace immabench
