// Where the operands of wgmma lie in shared memory, for integers and floats alike.
#pragma once
#include "harness.hpp"

namespace machine_tests {

constexpr int kRows = 64;
constexpr u32 kSharedBytes = 64 << 10;
constexpr u32 kOperandB = 16 << 10;  // within shared memory; both operands start on the swizzle's whole pattern

inline u32 at_a() { return simt::shared_base(); }
inline u32 at_b() { return simt::shared_base() + kOperandB; }

// The address of 16 bytes of an operand, stated apart from the descriptor: rows at the span, groups of 8 rows behind each
// other, chunks exchanged by the line's number; without a swizzle, core matrices of 128 bytes, along K first.
inline u32 chunk_place(simt::TensorSwizzle swizzle, int row, int chunk, int first_chunk) {
  if (swizzle == simt::TensorSwizzle::kNone) return u32(row / 8 * 256 + chunk * 128 + row % 8 * 16);
  const u32 span = u32(swizzle_span(swizzle)), offset = u32(row) * span + u32(chunk + first_chunk) * 16;
  const u32 lines = span / 16;
  return offset / 128 * 128 + ((offset / 16 % 8) ^ (offset / 128 % lines)) * 16;
}

inline simt::MatrixLayout layout_of(simt::TensorSwizzle swizzle) {
  if (swizzle == simt::TensorSwizzle::kNone) return {swizzle, 256, 128};
  return simt::swizzled_layout(swizzle);
}

}  // namespace machine_tests
