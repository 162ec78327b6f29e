#include <simt/host/integer_product.hpp>

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace simt::host {
namespace {

[[maybe_unused]] void add_portable(const std::int16_t* a, const std::int16_t* b, std::int32_t* d, const ProductShape& shape) {
  for (int row = 0; row < shape.rows; ++row) {
    for (int column = 0; column < shape.columns; ++column) {
      auto sum = static_cast<std::uint32_t>(d[row * shape.columns + column]);
      for (int i = 0; i < shape.k; ++i) {
        sum += static_cast<std::uint32_t>(a[row * shape.a_stride + i] * b[(i / 2 * shape.columns + column) * 2 + i % 2]);
      }
      d[row * shape.columns + column] = static_cast<std::int32_t>(sum);
    }
  }
}

#if defined(__x86_64__)

std::int32_t pair(const std::int16_t* from) {
  std::int32_t both;
  std::memcpy(&both, from, sizeof both);
  return both;
}

// pmaddwd adds two products per 32-bit lane: exact, as 2 * 255 * 255 fits. SSE2 is part of every x86-64.
void add_sse2(const std::int16_t* a, const std::int16_t* b, std::int32_t* d, const ProductShape& shape) {
  for (int row = 0; row < shape.rows; ++row) {
    for (int column = 0; column < shape.columns; column += 4) {
      auto* sums = reinterpret_cast<__m128i*>(d + row * shape.columns + column);
      __m128i sum = _mm_loadu_si128(sums);
      for (int i = 0; i < shape.k; i += 2) {
        const auto* right = reinterpret_cast<const __m128i*>(b + (i / 2 * shape.columns + column) * 2);
        sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_set1_epi32(pair(a + row * shape.a_stride + i)), _mm_load_si128(right)));
      }
      _mm_storeu_si128(sums, sum);
    }
  }
}

// Four rows at a time, so that each load of B serves four sums and their additions overlap.
__attribute__((target("avx2"))) void add_avx2(const std::int16_t* a, const std::int16_t* b, std::int32_t* d,
                                              const ProductShape& shape) {
  for (int row = 0; row < shape.rows; row += 4) {
    const std::int16_t* left = a + row * shape.a_stride;
    for (int column = 0; column < shape.columns; column += 8) {
      std::int32_t* sums = d + row * shape.columns + column;
      __m256i sum[4];
      for (int r = 0; r < 4; ++r) sum[r] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums + r * shape.columns));
      for (int i = 0; i < shape.k; i += 2) {
        const auto* from = reinterpret_cast<const __m256i*>(b + (i / 2 * shape.columns + column) * 2);
        const __m256i right = _mm256_load_si256(from);
        for (int r = 0; r < 4; ++r) {
          const __m256i both = _mm256_set1_epi32(pair(left + r * shape.a_stride + i));
          sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(both, right));
        }
      }
      for (int r = 0; r < 4; ++r) _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + r * shape.columns), sum[r]);
    }
  }
}

const auto add = __builtin_cpu_supports("avx2") ? add_avx2 : add_sse2;

#else

const auto add = add_portable;

#endif

}  // namespace

void add_product(const std::int16_t* a, const std::int16_t* b, std::int32_t* d, const ProductShape& shape) {
  add(a, b, d, shape);
}

}  // namespace simt::host
