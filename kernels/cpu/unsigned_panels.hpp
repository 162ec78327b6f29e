// Codes as vpdpbusd multiplies them, for product_tiles.hpp: unsigned by signed bytes, four products added to an int32 modulo
// 2^32. One side is 128 higher, so that it is unsigned. Sums are 128 times the sum of the other side too large, which is where
// they start from, below zero. In panels that is B, which many rows meet; of few rows it is A, which many columns meet. Source:
// Intel SDM, volume 2, VPDPBUSD. Included after the steps of vectors and `add_products`.
#pragma once
#include <cpu/product.hpp>

namespace immabench::cpu {
namespace {

constexpr bool kPairs = false;
using Code = i8;
using PreparedCode = u8;

[[IMMABENCH_TARGET]] inline Vector folded(Vector first, Vector) { return first; }

[[IMMABENCH_TARGET]] inline Vector to_panel(Vector codes) { return codes ^ bytes_of(0x80); }
[[IMMABENCH_TARGET]] inline Vector columns_of(const u8* panel, int vector) {
  return load(panel + vector * i64{sizeof(Vector)});
}
[[IMMABENCH_TARGET]] inline Vector broadcast_quad(const Code* four) {
  i32 word;
  std::memcpy(&word, four, sizeof word);
  return broadcast(word);
}
[[IMMABENCH_TARGET]] inline Vector codes_of_b(const i8* from, i64 count) { return load_bytes(from, count); }

[[IMMABENCH_TARGET]] i32 start_of(const i8* row, i64 bytes) {
  constexpr i64 kBytes = sizeof(Vector);
  Vector sum = zeros();
  for (i64 k = 0; k < bytes; k += kBytes) add_products(sum, bytes_of(1), load_bytes(row + k, bytes - k));
  return -128 * total(sum);
}

// Writes whole vectors.
[[IMMABENCH_TARGET]] void prepare(const i8* row, i64 k, std::byte* prepared) {
  constexpr i64 kBytes = sizeof(Vector);
  for (i64 i = 0; i < k; i += kBytes) store(prepared + i, to_panel(load_bytes(row + i, k - i)));
}
const Code* codes_of(const ProductBlock& block) { return block.a; }

}  // namespace
}  // namespace immabench::cpu
