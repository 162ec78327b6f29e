// Products of int8 by AVX-512 VNNI.
#if defined(__x86_64__) && defined(__GNUC__)
#define IMMABENCH_TARGET gnu::target("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,prefer-vector-width=512")
#include <immintrin.h>

#include <ceiling/cpu_features.hpp>
#include <cpu/product.hpp>
#include <cstring>

namespace immabench::cpu {
namespace {

using Vector = __m512i;
constexpr int kLanes = 16, kVectors = 4;

[[IMMABENCH_TARGET]] inline Vector zeros() { return _mm512_setzero_si512(); }
[[IMMABENCH_TARGET]] inline Vector broadcast(i32 value) { return _mm512_set1_epi32(value); }
[[IMMABENCH_TARGET]] inline Vector bytes_of(int value) { return _mm512_set1_epi8(char(value)); }
[[IMMABENCH_TARGET]] inline Vector load(const void* from) { return _mm512_loadu_si512(from); }
[[IMMABENCH_TARGET]] inline void store(void* to, Vector value) { _mm512_storeu_si512(to, value); }

// The first `count` lanes, at most all.
[[IMMABENCH_TARGET]] inline void store_lanes(i32* to, i64 count, Vector values) {
  _mm512_mask_storeu_epi32(to, __mmask16((1u << std::clamp<i64>(count, 0, kLanes)) - 1), values);
}
// Bytes [0, count) of up to 64, the others zero.
[[IMMABENCH_TARGET]] inline Vector load_bytes(const void* from, i64 count) {
  if (count >= i64{sizeof(Vector)}) return load(from);
  return count <= 0 ? zeros() : _mm512_maskz_loadu_epi8((simt::u64{1} << count) - 1, from);
}
[[IMMABENCH_TARGET]] inline i32 total(Vector sums) { return _mm512_reduce_add_epi32(sums); }

// As an instruction, not as an intrinsic: of 24 sums in registers g++ 12 copies most to memory and back where it may.
[[IMMABENCH_INLINE]] inline void add_products(Vector& sums, Vector unsigned_codes, Vector codes) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(unsigned_codes), "v"(codes));
}

// Rows of 16 words become columns.
[[IMMABENCH_TARGET]] inline void transpose(Vector (&r)[16]) {
  Vector t[16];
  IMMABENCH_UNROLL
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]), t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  IMMABENCH_UNROLL
  for (int i = 0; i < 16; i += 4) {  // r[i + c]: in each 128 bits four rows of column 4 * lane + c
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]), r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]), r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  IMMABENCH_UNROLL
  for (int c = 0; c < 4; ++c) {
    const Vector even = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88), odd = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xDD);
    const Vector last_even = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    const Vector last_odd = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xDD);
    t[c] = _mm512_shuffle_i32x4(even, last_even, 0x88), t[8 + c] = _mm512_shuffle_i32x4(even, last_even, 0xDD);
    t[4 + c] = _mm512_shuffle_i32x4(odd, last_odd, 0x88), t[12 + c] = _mm512_shuffle_i32x4(odd, last_odd, 0xDD);
  }
  IMMABENCH_UNROLL
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}

}  // namespace
}  // namespace immabench::cpu

#include <cpu/unsigned_panels.hpp>
// The loops come last: they are made of all that.
#include <cpu/product_tiles.hpp>

const immabench::cpu::ProductInstructions immabench::cpu::kAvx512VnniProduct =
    products_by_tiles("avx512_vnni", Instructions::kAvx512, &has_avx512_vnni, 16);
#endif
