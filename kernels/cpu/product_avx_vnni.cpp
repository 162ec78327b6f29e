// Products of int8 by AVX-VNNI, what CPUs with vectors of 256 bits alone have for them.
#if defined(__x86_64__) && defined(__GNUC__)
#define IMMABENCH_TARGET gnu::target("avx2,bmi,bmi2,avxvnni")
#include <ceiling/cpu_features.hpp>
#include <cpu/vectors256.hpp>

namespace immabench::cpu {
namespace {

constexpr int kVectors = 2;

[[IMMABENCH_TARGET]] inline Vector bytes_of(int value) { return _mm256_set1_epi8(char(value)); }

// As an instruction, not as an intrinsic: of 12 sums in registers g++ 12 copies some to memory and back where it may.
[[IMMABENCH_INLINE]] inline void add_products(Vector& sums, Vector unsigned_codes, Vector codes) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(unsigned_codes), "x"(codes));
}

}  // namespace
}  // namespace immabench::cpu

#include <cpu/unsigned_panels.hpp>
// The loops come last: they are made of all that.
#include <cpu/product_tiles.hpp>

const immabench::cpu::ProductInstructions immabench::cpu::kAvxVnniProduct =
    products_by_tiles("avx_vnni", Instructions::kAvxVnni, &has_avx_vnni, 16);
#endif
