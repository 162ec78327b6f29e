#include <simt/host/float_product.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include <simt/host/exact_sum.hpp>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Also into functions that use more instructions than the rest of the program.
#define SIMT_INLINE __attribute__((always_inline)) inline

namespace simt::host {
namespace {

constexpr std::int32_t kMagnitude = 0x7FFFFFFF, kMantissa = 0x007FFFFF, kInfinityBits = 0x7F800000;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// No sum of multiples of this is subnormal in fp32.
constexpr double kSmallestNormal = 0x1p-126;
// Sums of multiples of q below these times q are exact; in fp32 they must also be below the limit.
constexpr double kExactInFloat32 = 0x1p24, kExactInFloat64 = 0x1p53, kFloat32Limit = 0x1p128;

// A choice without a branch, which keeps loops fit for vector instructions.
SIMT_INLINE std::int32_t select(bool condition, std::int32_t yes, std::int32_t no) {
  const std::int32_t mask = -static_cast<std::int32_t>(condition);
  return (yes & mask) | (no & ~mask);
}

// The bits of the lowest power of two in a float's magnitude, given as bits; infinity's for 0, a multiple of everything.
SIMT_INLINE std::int32_t lowest_power(std::int32_t magnitude) {
  const std::int32_t cleared = magnitude & (magnitude - 1);
  const float lowest = std::bit_cast<float>(magnitude) - std::bit_cast<float>(cleared);
  const std::int32_t power = select(magnitude & kMantissa, std::bit_cast<std::int32_t>(lowest), magnitude);
  return select(magnitude, power, kInfinityBits);
}

double from_bits(std::int32_t bits) { return std::bit_cast<float>(bits); }

// The magnitude of a 16-bit float as the bits of the same number in fp32. Its exponent is rebased by a product, which makes
// subnormal ones normal.
template <int kExponentBits>
SIMT_INLINE std::int32_t widened_magnitude(std::uint16_t element) {
  constexpr int kMantissaBits = 15 - kExponentBits, kShift = 23 - kMantissaBits;
  constexpr std::int32_t kInfinite = ((1 << kExponentBits) - 1) << 23;
  constexpr std::int32_t kRebase = 127 - ((1 << (kExponentBits - 1)) - 1);
  const std::int32_t raw = (element & 0x7FFF) << kShift;
  const float rebased = std::bit_cast<float>(raw) * std::bit_cast<float>((127 + kRebase) << 23);
  return select(raw >= kInfinite, raw | kInfinityBits, std::bit_cast<std::int32_t>(rebased));
}

template <int kExponentBits>
SIMT_INLINE void set_line_of(const FloatMatrix& matrix, int line, const std::uint16_t* elements) {
  constexpr std::int32_t kFirstNormal = (128 - (1 << (kExponentBits - 1)) + 1) << 23;
  std::int32_t magnitudes[kFloatDepth], quantum = kInfinityBits, largest = 0, smallest = kInfinityBits;
  float values[kFloatDepth];
  for (int k = 0; k < kFloatDepth; ++k) {
    magnitudes[k] = widened_magnitude<kExponentBits>(elements[k]);
    values[k] = std::bit_cast<float>(magnitudes[k] | (elements[k] & 0x8000) << 16);
  }
  for (const std::int32_t magnitude : magnitudes) {
    quantum = std::min(quantum, lowest_power(magnitude));
    largest = std::max(largest, magnitude);
    smallest = std::min(smallest, select(magnitude, magnitude, kInfinityBits));
  }
  double* to = matrix.values + line * matrix.line_stride;
  double totals[4] = {};
  for (int k = 0; k < kFloatDepth; ++k) {
    to[k * matrix.k_stride] = values[k];
    totals[k % 4] += std::fabs(values[k]);
  }
  matrix.quantum[line] = from_bits(quantum);
  matrix.largest[line] = from_bits(largest);
  matrix.total[line] = (totals[0] + totals[1]) + (totals[2] + totals[3]);
  matrix.least[line] = smallest < kFirstNormal ? kInfinity : kSmallestNormal;
}

SIMT_INLINE void set_line_of(const FloatMatrix& matrix, FloatType type, int line, const std::uint16_t* elements) {
  if (type.exponent_bits == 5)
    set_line_of<5>(matrix, line, elements);
  else
    set_line_of<8>(matrix, line, elements);
}

// The exact way, for results whose addends differ too much for float64.
float exact_result(const FloatMatrix& a, const FloatMatrix& b, int row, int column, float accumulator) {
  std::array<double, kFloatDepth + 1> addends;
  for (int k = 0; k < kFloatDepth; ++k) {
    addends[static_cast<std::size_t>(k)] = a.values[row * a.line_stride + k] * b.values[column + k * b.k_stride];
  }
  addends[kFloatDepth] = accumulator;
  return rounded_sum(addends);
}

// One result; true where PTX may leave it open. All addends are multiples of `quantum`, and their magnitudes add up to at most
// `bound`. Where the bound itself is rounded, it is above what it is compared with, as the sum is.
bool add_one(const FloatMatrix& a, const FloatMatrix& b, int row, int column, std::uint32_t& d) {
  const float accumulator = std::bit_cast<float>(d);
  const auto magnitude = static_cast<std::int32_t>(d & kMagnitude);
  const double quantum = std::min(a.quantum[row] * b.quantum[column], from_bits(lowest_power(magnitude)));
  const double products = std::min(a.largest[row] * b.total[column], a.total[row] * b.largest[column]);
  const double bound = products + from_bits(magnitude);
  double sum = accumulator;
  for (int k = 0; k < kFloatDepth; ++k) sum += a.values[row * a.line_stride + k] * b.values[column + k * b.k_stride];
  const bool exact = bound < kExactInFloat64 * quantum;
  d = std::bit_cast<std::uint32_t>(exact ? static_cast<float>(sum) : exact_result(a, b, row, column, accumulator));
  const double limit = std::min(kExactInFloat32 * quantum, kFloat32Limit);
  const bool determined = bound < limit && quantum >= std::max(a.least[row], b.least[column]);
  return !determined || d == std::bit_cast<std::uint32_t>(-0.0f);
}

void set_portable(const FloatMatrix& matrix, FloatType type, int line, const std::uint16_t* elements) {
  set_line_of(matrix, type, line, elements);
}

std::uint64_t add_portable(const FloatMatrix a, const FloatMatrix b, std::uint32_t* d, int rows, int columns) {
  std::uint64_t open = 0;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) open += add_one(a, b, row, column, d[row * columns + column]);
  }
  return open;
}

#if defined(__x86_64__)
#define SIMT_AVX2 __attribute__((target("avx2,fma,popcnt")))

// The same, for the compiler to use wider vectors.
SIMT_AVX2 void set_avx2(const FloatMatrix& matrix, FloatType type, int line, const std::uint16_t* elements) {
  set_line_of(matrix, type, line, elements);
}

// lowest_power() of eight magnitudes.
SIMT_AVX2 inline __m256 lowest_powers(__m256i magnitudes) {
  const __m256i cleared = _mm256_and_si256(magnitudes, _mm256_sub_epi32(magnitudes, _mm256_set1_epi32(1)));
  const __m256 lowest = _mm256_sub_ps(_mm256_castsi256_ps(magnitudes), _mm256_castsi256_ps(cleared));
  const __m256i zero = _mm256_setzero_si256(), mantissas = _mm256_and_si256(magnitudes, _mm256_set1_epi32(kMantissa));
  const __m256 is_power = _mm256_castsi256_ps(_mm256_cmpeq_epi32(mantissas, zero));
  const __m256 powers = _mm256_blendv_ps(lowest, _mm256_castsi256_ps(magnitudes), is_power);
  const __m256i is_zero = _mm256_cmpeq_epi32(magnitudes, zero);
  return _mm256_or_ps(powers, _mm256_castsi256_ps(_mm256_and_si256(is_zero, _mm256_set1_epi32(kInfinityBits))));
}

// As add_one(), of four columns: all bits where float64 holds the sum, and where PTX determines it.
struct Verdicts {
  __m256d exact, determined;
};
SIMT_AVX2 inline Verdicts judge(const FloatMatrix& a, const FloatMatrix& b, int row, int column, __m256d sums, __m128 own_power,
                                __m128 own_magnitude) {
  const __m256d of_products = _mm256_mul_pd(_mm256_broadcast_sd(a.quantum + row), _mm256_load_pd(b.quantum + column));
  const __m256d quantum = _mm256_min_pd(of_products, _mm256_cvtps_pd(own_power));
  const __m256d products = _mm256_min_pd(_mm256_mul_pd(_mm256_broadcast_sd(a.largest + row), _mm256_load_pd(b.total + column)),
                                         _mm256_mul_pd(_mm256_broadcast_sd(a.total + row), _mm256_load_pd(b.largest + column)));
  const __m256d bound = _mm256_add_pd(products, _mm256_cvtps_pd(own_magnitude));
  const __m256d exact = _mm256_cmp_pd(bound, _mm256_mul_pd(_mm256_set1_pd(kExactInFloat64), quantum), _CMP_LT_OQ);
  const __m256d in_float32 = _mm256_mul_pd(_mm256_set1_pd(kExactInFloat32), quantum);
  const __m256d limit = _mm256_min_pd(in_float32, _mm256_set1_pd(kFloat32Limit));
  const __m256d least = _mm256_max_pd(_mm256_broadcast_sd(a.least + row), _mm256_load_pd(b.least + column));
  const __m256d determined = _mm256_and_pd(_mm256_cmp_pd(bound, limit, _CMP_LT_OQ), _mm256_cmp_pd(quantum, least, _CMP_GE_OQ));
  const __m256i negative_zero = _mm256_cmpeq_epi64(_mm256_castpd_si256(sums), _mm256_castpd_si256(_mm256_set1_pd(-0.0)));
  return {exact, _mm256_andnot_pd(_mm256_castsi256_pd(negative_zero), determined)};
}

__attribute__((noinline)) int add_eight(const FloatMatrix& a, const FloatMatrix& b, int row, int column, std::uint32_t* d) {
  int open = 0;
  for (int i = 0; i < 8; ++i) open += add_one(a, b, row, column + i, d[i]);
  return open;
}

// Rounds the sums of eight columns; how many of them PTX may leave open.
SIMT_AVX2 inline int finish_eight(const FloatMatrix& a, const FloatMatrix& b, int row, int column, const double* sums,
                                  std::uint32_t* d) {
  const __m256i accumulators = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(d));
  const __m256i magnitude_bits = _mm256_and_si256(accumulators, _mm256_set1_epi32(kMagnitude));
  const __m256 powers = lowest_powers(magnitude_bits), magnitudes = _mm256_castsi256_ps(magnitude_bits);
  const __m256d low = _mm256_load_pd(sums), high = _mm256_load_pd(sums + 4);
  const Verdicts of_low = judge(a, b, row, column, low, _mm256_castps256_ps128(powers), _mm256_castps256_ps128(magnitudes));
  const Verdicts of_high =
      judge(a, b, row, column + 4, high, _mm256_extractf128_ps(powers, 1), _mm256_extractf128_ps(magnitudes, 1));
  if (_mm256_movemask_pd(_mm256_and_pd(of_low.exact, of_high.exact)) != 0xF) return add_eight(a, b, row, column, d);
  _mm256_storeu_ps(reinterpret_cast<float*>(d), _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low)));
  const int determined = _mm256_movemask_pd(of_low.determined) | _mm256_movemask_pd(of_high.determined) << 4;
  return 8 - std::popcount(static_cast<unsigned>(determined));
}

// Sums of four rows and eight columns: each load of B serves four of them, and their additions overlap. `own` is local, for the
// compiler to keep it in registers.
SIMT_AVX2 inline void sum_block(const double* a, int a_stride, const double* b, int b_stride, const std::uint32_t* d,
                                int d_stride, double (&sums)[4][8]) {
  __m256d own[4][2];
  for (int r = 0; r < 4; ++r) {
    const auto* accumulators = reinterpret_cast<const float*>(d + r * d_stride);
    for (int half = 0; half < 2; ++half) own[r][half] = _mm256_cvtps_pd(_mm_loadu_ps(accumulators + 4 * half));
  }
  for (int k = 0; k < kFloatDepth; ++k) {
    const __m256d right[2] = {_mm256_load_pd(b + k * b_stride), _mm256_load_pd(b + k * b_stride + 4)};
    for (int r = 0; r < 4; ++r) {
      const __m256d left = _mm256_broadcast_sd(a + r * a_stride + k);
      for (int half = 0; half < 2; ++half) own[r][half] = _mm256_fmadd_pd(left, right[half], own[r][half]);
    }
  }
  for (int r = 0; r < 4; ++r) {
    for (int half = 0; half < 2; ++half) _mm256_store_pd(&sums[r][4 * half], own[r][half]);
  }
}

// The matrices are copies, for the compiler to know that writing results does not change them.
SIMT_AVX2 std::uint64_t add_avx2(const FloatMatrix a, const FloatMatrix b, std::uint32_t* d, int rows, int columns) {
  alignas(32) double sums[4][8];
  std::uint64_t open = 0;
  for (int column = 0; column < columns; column += 8) {
    for (int row = 0; row < rows; row += 4) {
      std::uint32_t* words = d + row * columns + column;
      sum_block(a.values + row * a.line_stride, a.line_stride, b.values + column, b.k_stride, words, columns, sums);
      for (int r = 0; r < 4; ++r) {
        open += static_cast<std::uint64_t>(finish_eight(a, b, row + r, column, sums[r], words + r * columns));
      }
    }
  }
  return open;
}

#undef SIMT_AVX2

const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
const auto set = has_avx2 ? set_avx2 : set_portable;
const auto add = has_avx2 ? add_avx2 : add_portable;

#else

const auto set = set_portable;
const auto add = add_portable;

#endif

}  // namespace

void set_line(const FloatMatrix& matrix, FloatType type, int line, const std::uint16_t* elements) {
  set(matrix, type, line, elements);
}

std::uint64_t add_float_product(const FloatMatrix& a, const FloatMatrix& b, std::uint32_t* d, int rows, int columns) {
  return add(a, b, d, rows, columns);
}

std::uint64_t add_float_product_portable(const FloatMatrix& a, const FloatMatrix& b, std::uint32_t* d, int rows, int columns) {
  return add_portable(a, b, d, rows, columns);
}

}  // namespace simt::host
