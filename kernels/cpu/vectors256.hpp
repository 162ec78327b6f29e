// Steps of vectors of 256 bits, for product_tiles.hpp. Included after IMMABENCH_TARGET is defined.
#pragma once
#include <immintrin.h>

#include <cpu/product.hpp>
#include <cstring>

namespace immabench::cpu {
namespace {

using Vector = __m256i;
constexpr int kLanes = 8;

[[IMMABENCH_TARGET]] inline Vector zeros() { return _mm256_setzero_si256(); }
[[IMMABENCH_TARGET]] inline Vector broadcast(i32 value) { return _mm256_set1_epi32(value); }
[[IMMABENCH_TARGET]] inline Vector load(const void* from) { return _mm256_loadu_si256(static_cast<const Vector*>(from)); }
[[IMMABENCH_TARGET]] inline void store(void* to, Vector value) { _mm256_storeu_si256(static_cast<Vector*>(to), value); }

// The first `count` lanes, at most all.
[[IMMABENCH_TARGET]] inline void store_lanes(i32* to, i64 count, Vector values) {
  if (count >= kLanes) return store(to, values);
  const Vector index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_epi32(to, _mm256_cmpgt_epi32(broadcast(i32(count)), index), values);
}

// Bytes [0, count) of up to 32, the others zero.
[[IMMABENCH_TARGET]] inline Vector load_bytes(const void* from, i64 count) {
  if (count >= i64{sizeof(Vector)}) return load(from);
  if (count <= 0) return zeros();
  u8 some[sizeof(Vector)] = {};
  std::memcpy(some, from, std::size_t(count));
  return load(some);
}

[[IMMABENCH_TARGET]] inline i32 total(Vector sums) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1)));
}

// Rows of 8 words become columns.
[[IMMABENCH_TARGET]] inline void transpose(Vector (&r)[8]) {
  Vector t[8];
  IMMABENCH_UNROLL
  for (int i = 0; i < 8; i += 2) t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]), t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  IMMABENCH_UNROLL
  for (int i = 0; i < 8; i += 4) {  // r[i + c]: in each half four rows of column 4 * half + c
    r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]), r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]), r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  IMMABENCH_UNROLL
  for (int c = 0; c < 4; ++c) {
    t[c] = _mm256_permute2x128_si256(r[c], r[4 + c], 0x20), t[4 + c] = _mm256_permute2x128_si256(r[c], r[4 + c], 0x31);
  }
  IMMABENCH_UNROLL
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}

}  // namespace
}  // namespace immabench::cpu
