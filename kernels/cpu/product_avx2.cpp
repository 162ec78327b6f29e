// Products of int8 by AVX2: codes are widened to int16, vpmaddwd multiplies pairs of them and adds both products, which fits.
//
// vpmaddubsw multiplies twice as many bytes as they are, but its sums of two saturate at 16 bits: exact for operands of 7 bits
// only, and kernels multiply all 8. Source: Intel SDM, volume 2, PMADDWD and PMADDUBSW.
#if defined(__x86_64__) && defined(__GNUC__)
#define IMMABENCH_TARGET gnu::target("avx2,bmi,bmi2")
#include <cpu/vectors256.hpp>

namespace immabench::cpu {
namespace {

constexpr int kVectors = 2;
constexpr bool kPairs = true;  // lane 2c: column c, pairs of K that are even; lane 2c + 1: odd ones
using Code = std::int16_t;
using PreparedCode = Code;

// As instructions, not as intrinsics: of 12 sums in registers g++ 12 copies some to memory and back where it may.
[[IMMABENCH_INLINE]] inline void add_products(Vector& sums, Vector b, Vector codes) {
  Vector products;
  asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sums), "=&x"(products) : "x"(b), "x"(codes));
}
// Lanes of each half in order: columns 0, 1, 4, 5 and 2, 3, 6, 7.
[[IMMABENCH_TARGET]] inline Vector folded(Vector first, Vector second) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(first, second), 0xD8);
}

[[IMMABENCH_TARGET]] inline Vector widened(const void* bytes) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(bytes)));
}
[[IMMABENCH_TARGET]] inline Vector to_panel(Vector codes) { return codes; }
[[IMMABENCH_TARGET]] inline Vector columns_of(const u8* panel, int vector) { return widened(panel + 16 * vector); }
[[IMMABENCH_TARGET]] inline Vector broadcast_quad(const Code* four) {
  long long word;
  std::memcpy(&word, four, sizeof word);
  return _mm256_set1_epi64x(word);
}
i32 start_of(const i8*, i64) { return 0; }

[[IMMABENCH_TARGET]] inline Vector codes_of_b(const i8* from, i64 count) {
  if (count >= 16) return widened(from);
  i8 some[16] = {};
  std::memcpy(some, from, std::size_t(count));
  return widened(some);
}

// Writes whole vectors.
[[IMMABENCH_TARGET]] void prepare(const i8* row, i64 k, std::byte* prepared) {
  for (i64 i = 0; i < k; i += 16) store(prepared + i * i64{sizeof(Code)}, codes_of_b(row + i, k - i));
}
const Code* codes_of(const ProductBlock& block) {
  prepare(block.a, block.rows * block.stride, block.scratch);
  return reinterpret_cast<const Code*>(block.scratch);
}

}  // namespace
}  // namespace immabench::cpu

#include <cpu/product_tiles.hpp>

const immabench::cpu::ProductInstructions immabench::cpu::kAvx2Product =
    products_by_tiles("avx2", Instructions::kAvx2, [] { return true; }, 5);
#endif
