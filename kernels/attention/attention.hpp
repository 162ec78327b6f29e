// What the calls of attention are given, and what they can take.
#pragma once
#include <companions.hpp>
#include <cstdint>
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

std::string illegal_reason(const CompanionConfig& config, const SoftmaxQuantizeArguments& arguments);

}  // namespace immabench
