#include <simt/host/mma.hpp>

#include <bit>
#include <cstring>

#include <simt/fragments.hpp>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace simt::host {
namespace {

constexpr int kM = 16, kN = 8, kLanes = 32;
using WideA = MmaScratch::WideA;
using WideB = MmaScratch::WideB;
using Sums = MmaScratch::Sums;

const MmaLane& lane_of(void* const* lanes, int lane) { return *static_cast<const MmaLane*>(lanes[lane]); }

// Four elements of a register, from element `first` on, as four 16-bit integers in one word, lowest first. Works on all four at
// once: spread the elements to 16 bits each, then fill the upper bits of the negative ones.
template <int kBits>
std::uint64_t widen_four(std::uint32_t value, int first, bool is_signed) {
  std::uint64_t v = kBits == 8 ? value : value >> 4 * first & 0xFFFF;
  if constexpr (kBits == 8) {
    v = (v | v << 16) & 0x0000FFFF0000FFFFull;
    v = (v | v << 8) & 0x00FF00FF00FF00FFull;
  } else {
    v = (v | v << 24) & 0x000000FF000000FFull;
    v = (v | v << 12) & 0x000F000F000F000Full;
  }
  constexpr std::uint64_t kSignBits = kBits == 8 ? 0x0080008000800080ull : 0x0008000800080008ull;
  constexpr std::uint64_t kFill = kBits == 8 ? 0x1FE : 0x1FFE;  // sign bit times this = all bits from the sign bit's left up
  return is_signed ? v | (v & kSignBits) * kFill : v;
}

template <int kBits>
void widen_a(void* const* lanes, const MmaTile& tile, int row, WideA& out) {
  constexpr int kElements = 32 / kBits;
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t* registers = lane_of(lanes, lane).a + row * tile.a_registers;
    for (int r = 0; r < tile.a_registers; ++r) {
      const auto at = fragments::a_element(lane, r * kElements, kElements);
      for (int e = 0; e < kElements; e += 4) {
        const std::uint64_t four = widen_four<kBits>(registers[r], e, tile.a_type.is_signed);
        std::memcpy(&out[at.row][at.column + e], &four, sizeof four);
      }
    }
  }
}

template <int kBits>
void widen_b(void* const* lanes, const MmaTile& tile, int column, WideB& out) {
  constexpr int kElements = 32 / kBits;
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t* registers = lane_of(lanes, lane).b + column * (tile.a_registers / 2);
    for (int r = 0; r < tile.a_registers / 2; ++r) {
      const auto at = fragments::b_element(lane, r * kElements, kElements);
      for (int e = 0; e < kElements; e += 4) {
        const std::uint64_t four = widen_four<kBits>(registers[r], e, tile.b_type.is_signed);
        const auto low = static_cast<std::uint32_t>(four), high = static_cast<std::uint32_t>(four >> 32);
        std::memcpy(out[(at.column + e) / 2][at.row], &low, sizeof low);
        std::memcpy(out[(at.column + e) / 2 + 1][at.row], &high, sizeof high);
      }
    }
  }
}

// Copies the pairs of accumulators of instruction `index` between the lanes and a matrix; `copy(lane's pair, matrix's pair)`.
template <class Copy>
void for_each_pair(void* const* lanes, int index, Sums& sums, Copy&& copy) {
  for (int lane = 0; lane < kLanes; ++lane) {
    std::int32_t* d = lane_of(lanes, lane).d + 4 * index;
    for (int e = 0; e < 4; e += 2) {
      const auto at = fragments::accumulator_element(lane, e);
      copy(d + e, &sums[at.row][at.column]);
    }
  }
}

[[maybe_unused]] void multiply_portable(const WideA& a, const WideB& b, Sums& d, int k) {
  for (int row = 0; row < kM; ++row) {
    for (int column = 0; column < kN; ++column) {
      std::uint32_t sum = static_cast<std::uint32_t>(d[row][column]);
      for (int i = 0; i < k; ++i) sum += static_cast<std::uint32_t>(a[row][i] * b[i / 2][column][i % 2]);
      d[row][column] = static_cast<std::int32_t>(sum);
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
void multiply_sse2(const WideA& a, const WideB& b, Sums& d, int k) {
  for (int row = 0; row < kM; ++row) {
    auto* sums = reinterpret_cast<__m128i*>(d[row]);
    __m128i low = _mm_load_si128(sums), high = _mm_load_si128(sums + 1);
    for (int i = 0; i < k / 2; ++i) {
      const __m128i left = _mm_set1_epi32(pair(&a[row][2 * i]));
      const auto* right = reinterpret_cast<const __m128i*>(b[i]);
      low = _mm_add_epi32(low, _mm_madd_epi16(left, _mm_load_si128(right)));
      high = _mm_add_epi32(high, _mm_madd_epi16(left, _mm_load_si128(right + 1)));
    }
    _mm_store_si128(sums, low);
    _mm_store_si128(sums + 1, high);
  }
}

// Four rows at a time, so that each load of B serves four sums and their additions overlap.
__attribute__((target("avx2"))) void multiply_avx2(const WideA& a, const WideB& b, Sums& d, int k) {
  for (int row = 0; row < kM; row += 4) {
    __m256i sum[4];
    for (int r = 0; r < 4; ++r) sum[r] = _mm256_load_si256(reinterpret_cast<const __m256i*>(d[row + r]));
    for (int i = 0; i < k / 2; ++i) {
      const __m256i right = _mm256_load_si256(reinterpret_cast<const __m256i*>(b[i]));
      for (int r = 0; r < 4; ++r) {
        sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(_mm256_set1_epi32(pair(&a[row + r][2 * i])), right));
      }
    }
    for (int r = 0; r < 4; ++r) _mm256_store_si256(reinterpret_cast<__m256i*>(d[row + r]), sum[r]);
  }
}

const auto multiply = __builtin_cpu_supports("avx2") ? multiply_avx2 : multiply_sse2;

#else

const auto multiply = multiply_portable;

#endif

}  // namespace

namespace {

template <int kBits>
void execute(void* const* lanes, const MmaTile& tile, MmaScratch& scratch) {
  auto& [a, b, sums] = scratch;
  for (int i = 0; i < tile.rows; ++i) widen_a<kBits>(lanes, tile, i, a[i]);
  for (int j = 0; j < tile.columns; ++j) {
    widen_b<kBits>(lanes, tile, j, b);
    for (int i = 0; i < tile.rows; ++i) {
      const int index = i * tile.columns + j;
      for_each_pair(lanes, index, sums, [](std::int32_t* d, std::int32_t* sum) { std::memcpy(sum, d, 2 * sizeof *d); });
      multiply(a[i], b, sums, tile.k());
      for_each_pair(lanes, index, sums, [](std::int32_t* d, std::int32_t* sum) { std::memcpy(d, sum, 2 * sizeof *d); });
    }
  }
}

}  // namespace

void execute_mma(void* const* lanes, const MmaTile& tile, MmaScratch& scratch) {
  if (tile.a_type.bits == 8)
    execute<8>(lanes, tile, scratch);
  else
    execute<4>(lanes, tile, scratch);
}

void execute_mma_b1(void* const* lanes, bool use_xor) {
  constexpr int kWords = 8;  // 256 bits
  std::uint32_t a[kM][kWords], b[kN][kWords];
  for (int lane = 0; lane < kLanes; ++lane) {
    const MmaLane& own = lane_of(lanes, lane);
    for (int r = 0; r < 4; ++r) {
      const auto at = fragments::a_element(lane, r * 32, 32);
      a[at.row][at.column / 32] = own.a[r];
    }
    for (int r = 0; r < 2; ++r) {
      const auto at = fragments::b_element(lane, r * 32, 32);
      b[at.row][at.column / 32] = own.b[r];
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    const MmaLane& own = lane_of(lanes, lane);
    for (int e = 0; e < 4; ++e) {
      const auto at = fragments::accumulator_element(lane, e);
      std::uint32_t sum = static_cast<std::uint32_t>(own.d[e]);
      for (int w = 0; w < kWords; ++w) {
        const std::uint32_t left = a[at.row][w], right = b[at.column][w];
        sum += static_cast<std::uint32_t>(std::popcount(use_xor ? left ^ right : left & right));
      }
      own.d[e] = static_cast<std::int32_t>(sum);
    }
  }
}

}  // namespace simt::host
