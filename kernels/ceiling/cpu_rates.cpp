// Peak rate of this CPU's vector and matrix instructions. Each function is compiled for its own instructions, whatever the rest
// of the build is for, and is called only where CPUID says so.
#include <ceiling/ceiling.hpp>

#if defined(__x86_64__)
#include <immintrin.h>

#include <ceiling/cpu_features.hpp>

namespace immabench {
namespace {

#if defined(__clang__)
#define IMMABENCH_UNROLL _Pragma("unroll")
#else
#define IMMABENCH_UNROLL _Pragma("GCC unroll 16")
#endif

// As many chains as hide a latency of 5 clocks at two instructions a clock and, with x and y, fit 16 registers. They start from
// different c: the compiler would carry out equal chains once.
constexpr int kVectorChains = 12;

// One rate: `Vector` is what a register holds, `STEP` the instruction on (c, x, y).
#define IMMABENCH_VECTOR_RATE(Name, TARGET, Vector, LOAD, STORE, STEP)                                            \
  __attribute__((target(TARGET))) void Name(const std::byte* operands, std::byte* out, std::int64_t iterations) { \
    const std::byte* const x = operands;                                                                          \
    const Vector x0 = LOAD(x), x1 = LOAD(x + sizeof(Vector)), y = LOAD(x + 2 * sizeof(Vector));                   \
    Vector c[kVectorChains];                                                                                      \
    IMMABENCH_UNROLL for (int j = 0; j < kVectorChains; ++j) c[j] = LOAD(x + (3 + j) * sizeof(Vector));           \
    for (std::int64_t i = 0; i < iterations; ++i) {                                                               \
      IMMABENCH_UNROLL for (int j = 0; j < kVectorChains; ++j) c[j] = STEP(c[j], x0, y);                          \
      IMMABENCH_UNROLL for (int j = 0; j < kVectorChains; ++j) c[j] = STEP(c[j], x1, y);                          \
    }                                                                                                             \
    IMMABENCH_UNROLL for (int j = 0; j < kVectorChains; ++j) STORE(out + j * sizeof(Vector), c[j]);               \
  }

#define LOAD_PS256(p) _mm256_loadu_ps(reinterpret_cast<const float*>(p))
#define STORE_PS256(p, v) _mm256_storeu_ps(reinterpret_cast<float*>(p), v)
#define LOAD_PS512(p) _mm512_loadu_ps(reinterpret_cast<const float*>(p))
#define STORE_PS512(p, v) _mm512_storeu_ps(reinterpret_cast<float*>(p), v)
#define LOAD_SI256(p) _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
#define STORE_SI256(p, v) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v)
#define LOAD_SI512(p) _mm512_loadu_si512(p)
#define STORE_SI512(p, v) _mm512_storeu_si512(p, v)
#define FMA256(c, x, y) _mm256_fmadd_ps(x, y, c)
#define FMA512(c, x, y) _mm512_fmadd_ps(x, y, c)
// bf16 operands lie in registers of floats; a cast between vectors costs nothing.
#define DOT_BF16(c, x, y) _mm512_dpbf16_ps(c, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(y))

// AVX2 multiplies bytes in more than one instruction: widened to 16 bits, or unsigned by signed ones, whose sums of two
// saturate at 16 bits, so that only operands of 7 bits are exact. As instructions: what they compute from x and y is the same
// each time.
__attribute__((target("avx2"))) inline __m256i multiply_widened(__m256i c, __m256i x, __m256i y) {
  __m256i products;
  asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(c), "=&x"(products) : "x"(x), "x"(y));
  return c;
}
__attribute__((target("avx2"))) inline __m256i multiply_saturated(__m256i c, __m256i x, __m256i y) {
  __m256i products;
  asm("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
      : "+x"(c), "=&x"(products)
      : "x"(x), "x"(y), "x"(_mm256_set1_epi16(1)));
  return c;
}

IMMABENCH_VECTOR_RATE(fma256, "avx2,fma", __m256, LOAD_PS256, STORE_PS256, FMA256)
IMMABENCH_VECTOR_RATE(fma512, "avx512f", __m512, LOAD_PS512, STORE_PS512, FMA512)
IMMABENCH_VECTOR_RATE(widened_s8_256, "avx2", __m256i, LOAD_SI256, STORE_SI256, multiply_widened)
IMMABENCH_VECTOR_RATE(saturated_s8_256, "avx2", __m256i, LOAD_SI256, STORE_SI256, multiply_saturated)
IMMABENCH_VECTOR_RATE(dot_s8_256, "avx2,avxvnni", __m256i, LOAD_SI256, STORE_SI256, _mm256_dpbusd_avx_epi32)
IMMABENCH_VECTOR_RATE(dot_s8_512, "avx512f,avx512vnni", __m512i, LOAD_SI512, STORE_SI512, _mm512_dpbusd_epi32)
IMMABENCH_VECTOR_RATE(dot_bf16_512, "avx512f,avx512bf16", __m512, LOAD_PS512, STORE_PS512, DOT_BF16)

// ---- AMX: x and c are tiles of 16 rows of 64 bytes, y the same with four (bf16: two) rows of K packed in one. Three tiles
// hold operands; four chains, which is what 16 clocks an instruction and a latency of 52 take (Intel optimization manual, AMX).
constexpr int kTileRows = 16, kTileColumnBytes = 64, kCpuTileBytes = kTileRows * kTileColumnBytes, kTileChains = 4;

struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t column_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

#define IMMABENCH_TILE_RATE(Name, TARGET, STEP)                                                                       \
  __attribute__((target(TARGET))) void Name(const std::byte* operands, std::byte* out, std::int64_t iterations) {     \
    TileConfig config;                                                                                                \
    for (int tile = 0; tile < 7; ++tile) config.column_bytes[tile] = kTileColumnBytes, config.rows[tile] = kTileRows; \
    _tile_loadconfig(&config);                                                                                        \
    const std::byte* const x = operands;                                                                              \
    _tile_loadd(4, x + 0 * kCpuTileBytes, kTileColumnBytes);                                                          \
    _tile_loadd(5, x + 1 * kCpuTileBytes, kTileColumnBytes);                                                          \
    _tile_loadd(6, x + 2 * kCpuTileBytes, kTileColumnBytes);                                                          \
    _tile_loadd(0, x + 3 * kCpuTileBytes, kTileColumnBytes);                                                          \
    _tile_loadd(1, x + 4 * kCpuTileBytes, kTileColumnBytes);                                                          \
    _tile_loadd(2, x + 5 * kCpuTileBytes, kTileColumnBytes);                                                          \
    _tile_loadd(3, x + 6 * kCpuTileBytes, kTileColumnBytes);                                                          \
    for (std::int64_t i = 0; i < iterations; ++i) {                                                                   \
      STEP(0, 4, 6);                                                                                                  \
      STEP(1, 4, 6);                                                                                                  \
      STEP(2, 4, 6);                                                                                                  \
      STEP(3, 4, 6);                                                                                                  \
      STEP(0, 5, 6);                                                                                                  \
      STEP(1, 5, 6);                                                                                                  \
      STEP(2, 5, 6);                                                                                                  \
      STEP(3, 5, 6);                                                                                                  \
    }                                                                                                                 \
    _tile_stored(0, out, kTileColumnBytes);                                                                           \
    _tile_stored(1, out + kCpuTileBytes, kTileColumnBytes);                                                           \
    _tile_stored(2, out + 2 * kCpuTileBytes, kTileColumnBytes);                                                       \
    _tile_stored(3, out + 3 * kCpuTileBytes, kTileColumnBytes);                                                       \
    _tile_release();                                                                                                  \
  }
IMMABENCH_TILE_RATE(tile_s8, "amx-tile,amx-int8", _tile_dpbssd)
IMMABENCH_TILE_RATE(tile_bf16, "amx-tile,amx-bf16", _tile_dpbf16ps)

constexpr int kTileOperations = 2 * 16 * 16 * 64;  // of bytes; half of that of bf16

constexpr CpuRate kCpuRates[] = {
    {"vfmadd231ps ymm", "fma", "f32", "f32", 2 * 8, 32, kVectorChains, cpu::has_fma, fma256},
    {"vfmadd231ps zmm", "avx512f", "f32", "f32", 2 * 16, 64, kVectorChains, cpu::has_avx512f, fma512},
    {"vpmaddwd+vpaddd ymm", "avx2", "s8", "s32", 2 * 16, 32, kVectorChains, cpu::has_avx2, widened_s8_256},
    {"vpmaddubsw+vpmaddwd+vpaddd ymm", "avx2", "s8", "s32", 2 * 32, 32, kVectorChains, cpu::has_avx2, saturated_s8_256},
    {"vpdpbusd ymm", "avx_vnni", "s8", "s32", 2 * 32, 32, kVectorChains, cpu::has_avx_vnni, dot_s8_256},
    {"vpdpbusd zmm", "avx512_vnni", "s8", "s32", 2 * 64, 64, kVectorChains, cpu::has_avx512_vnni, dot_s8_512},
    {"tdpbssd tmm", "amx_int8", "s8", "s32", kTileOperations, kCpuTileBytes, kTileChains, cpu::has_amx_int8, tile_s8},
    {"vdpbf16ps zmm", "avx512_bf16", "bf16", "f32", 2 * 32, 64, kVectorChains, cpu::has_avx512_bf16, dot_bf16_512},
    {"tdpbf16ps tmm", "amx_bf16", "bf16", "f32", kTileOperations / 2, kCpuTileBytes, kTileChains, cpu::has_amx_bf16, tile_bf16},
};

}  // namespace

std::span<const CpuRate> cpu_rates() { return kCpuRates; }

}  // namespace immabench

#else

namespace immabench {
std::span<const CpuRate> cpu_rates() { return {}; }
}  // namespace immabench

#endif
