// What the calls of attention are given, and what they can take.
#pragma once
#include <companions.hpp>
#include <cstdint>
#include <gemm/epilogue_arguments.hpp>
#include <string>

namespace immabench {

// The most keys of a row: 255 * 128 a key fits int32, and so many codes of 255 add up to 2^24 - 1, which fp32 holds.
constexpr int kMostKeys = 65793;

// codes = rint(255 * exp((score - largest of the row) * scale)) - 128,   row_scale = 1 / sum of (code + 128)
struct SoftmaxQuantizeArguments {
  std::uint64_t x = 0, codes = 0;  // int32 scores and int8 codes, row-major [rows, columns] without padding
  std::uint64_t row_scale = 0;     // float32 [rows]
  std::uint64_t lengths = 0;       // int32, 0 for none: columns that count, of rows_per_length rows each
  float scale = 0;
  int rows = 0, columns = 0, rows_per_length = 1;
};

// int8 [batch, tokens, heads, depth] somewhere in memory: the elements of a head lie side by side, the rest by strides in
// elements. So queries, keys and values may be slices of what one projection wrote.
struct TokenMatrix {
  std::uint64_t data = 0;
  std::int64_t batch_stride = 0, token_stride = 0, head_stride = 0;
};

// out = softmax(q k^T * scale) v * v_scale, head by head, over the first lengths[batch] keys
struct AttentionArguments {
  TokenMatrix q, k, v;
  std::uint64_t out = 0;      // [batch, queries, heads, depth] without padding
  std::uint64_t lengths = 0;  // int32 [batch], 0 for all keys
  float scale = 0, v_scale = 0;
  OutputType output = OutputType::kF32;  // f32, f16, bf16, or s8 with the next two
  float out_scale = 1;
  int out_zero = 0;
  int batch = 0, heads = 0, queries = 0, keys = 0, depth = 0;
};

// Why a kernel cannot take a call, with what to change; empty when it can.
std::string illegal_reason(const CompanionConfig& config, const SoftmaxQuantizeArguments& arguments);
std::string illegal_reason(const CompanionConfig& config, const AttentionArguments& arguments);

}  // namespace immabench
