// Probes of wgmma: one for every N of integers and, of two widths, for every pair of their types; 16-bit floats of three
// widths; each with A from shared memory and from registers, in every layout of operands, on random operands and accumulators.
#pragma once
#include <probe/hopper_parts.cuh>
#include <simt/matrix_descriptor.hpp>

namespace immabench::inline SIMT_TARGET {

constexpr int kWgmmaRows = 64, kWgmmaDepth = 32;

// Where an operand lies. With a swizzle its 32 bytes of K are the last of the span, so that the descriptor starts within the
// pattern; without one, the two chunks of K of 8 rows are neighbours.
struct WgmmaPlace {
  simt::MatrixLayout layout;
  u32 first, pitch, chunk_bytes;

  SIMT_DEVICE explicit WgmmaPlace(simt::TensorSwizzle swizzle)
      : layout{swizzle, 256, 128}, first(0), pitch(16), chunk_bytes(128) {
    if (swizzle == simt::TensorSwizzle::kNone) return;
    layout = simt::swizzled_layout(swizzle);
    pitch = u32(swizzle_span(swizzle)), first = pitch - kWgmmaDepth, chunk_bytes = 16;
  }
  SIMT_DEVICE u64 descriptor(u32 base) const { return simt::matrix_descriptor(base + first, layout); }
  // Of 16 bytes of K of a row.
  SIMT_DEVICE u32 address(u32 base, u32 row, u32 chunk) const {
    return swizzled(layout.swizzle, base + first + row / 8 * layout.row_group_bytes + row % 8 * pitch + chunk * chunk_bytes);
  }
  SIMT_DEVICE void store(u32 base, u32 rows, const ProbeWordArray& r) const {
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const u32 chunk = simt::thread_index() + u32(i * kWarpgroupThreads);
      if (chunk < 2 * rows) {
        simt::store_shared(address(base, chunk / 2, chunk % 2), Row{{r[4 * i], r[4 * i + 1], r[4 * i + 2], r[4 * i + 3]}});
      }
    }
  }
};

template <class A, class B, int kN>
struct WgmmaProbe {
  static constexpr ProbeShape kShape = kWarpgroupShape;

  // For each layout, one product with A from shared memory and one with A from registers: two words, folded layout after
  // layout.
  static SIMT_DEVICE void run(ProbeWordArray& r) {
    u32 from_shared = r[0], from_registers = r[1];
// Not unrolled: the instructions are to keep to one set of accumulators.
#pragma unroll 1
    for (int mode = 0; mode < 4; ++mode) {
      const WgmmaPlace place{simt::TensorSwizzle(mode)};
      place.store(operand_a(), kWgmmaRows, r);
      place.store(operand_b(), kN, r);
      hand_to_async_proxy();
      i32 d[kN / 2];
      start(d, from_shared);
      simt::wgmma_fence();
      simt::wgmma(A{}, B{}, d, place.descriptor(operand_a()), place.descriptor(operand_b()), mode % 2);
      finish(d, from_shared);
      const u32 a[4] = {r[4], r[5], r[6], r[7]};
      start(d, from_registers);
      simt::wgmma_fence();
      simt::wgmma(A{}, B{}, d, a, place.descriptor(operand_b()), mode % 2);
      finish(d, from_registers);
      simt::syncthreads();
    }
    r[0] = from_shared, r[1] = from_registers;
  }

 private:
  static SIMT_DEVICE u32 operand_a() { return box_area(); }
  static SIMT_DEVICE u32 operand_b() { return box_area() + (8 << 10); }

  // Begun from the last result, so that the compiler cannot keep the same values for all variants.
  static SIMT_DEVICE void start(i32 (&d)[kN / 2], u32 result) {
    SIMT_UNROLL
    for (int i = 0; i < kN / 2; ++i) d[i] = i32(result ^ u32(i) << 24);
  }
  // Folded as a polynomial, where every place counts: no exchange of accumulators goes unseen.
  static SIMT_DEVICE void finish(i32 (&d)[kN / 2], u32& result) {
    simt::wgmma_commit();
    simt::wgmma_wait<0>(d);
    SIMT_UNROLL
    for (int i = 0; i < kN / 2; ++i) result = result * 31 + u32(d[i]);
  }
};

// Of 16-bit floats, whose sums PTX leaves open but where none rounds: integers in [-8, 7], two a word, so that of each 32 bytes
// of K 16 products are added to accumulators below 2^20.
template <class T, int kN>
struct WgmmaFloatProbe {
  static constexpr ProbeShape kShape = kWarpgroupShape;

  static SIMT_DEVICE void run(ProbeWordArray& r) {
    ProbeWordArray small;
    SIMT_UNROLL
    for (int i = 0; i < kProbeWords; ++i) small[i] = small_pair<T>(r[i]);
    u32 from_shared = r[0], from_registers = r[1];
#pragma unroll 1
    for (int mode = 0; mode < 4; ++mode) {
      const WgmmaPlace place{simt::TensorSwizzle(mode)};
      place.store(box_area(), kWgmmaRows, small);
      place.store(operand_b(), kN, small);
      hand_to_async_proxy();
      float d[kN / 2];
      start(d, from_shared);
      simt::wgmma_fence();
      simt::wgmma(T{}, T{}, d, place.descriptor(box_area()), place.descriptor(operand_b()), mode % 2);
      finish(d, from_shared);
      const u32 a[4] = {small[4], small[5], small[6], small[7]};
      start(d, from_registers);
      simt::wgmma_fence();
      simt::wgmma(T{}, T{}, d, a, place.descriptor(operand_b()), mode % 2);
      finish(d, from_registers);
      simt::syncthreads();
    }
    r[0] = from_shared, r[1] = from_registers;
  }

 private:
  static SIMT_DEVICE u32 operand_b() { return box_area() + (8 << 10); }

  static SIMT_DEVICE void start(float (&d)[kN / 2], u32 result) {
    SIMT_UNROLL
    for (int i = 0; i < kN / 2; ++i) d[i] = simt::to_float_rn(i32((result ^ u32(i) << 24) * 31) >> 12);
  }
  static SIMT_DEVICE void finish(float (&d)[kN / 2], u32& result) {
    simt::wgmma_commit();
    simt::wgmma_wait<0>(d);
    SIMT_UNROLL
    for (int i = 0; i < kN / 2; ++i) result = result * 31 + as_bits(simt::add_rn(d[i], 0.0f));  // of zeros one
  }
};

namespace probe_kinds {

#define IMMABENCH_WGMMA_PROBE(T, kN)                           \
  struct wgmma_n##kN##_##T : WgmmaFloatProbe<simt::T, kN> {    \
    static constexpr const char* kName = "wgmma_n" #kN "_" #T; \
  };
IMMABENCH_WGMMA_PROBE(F16, 8)
IMMABENCH_WGMMA_PROBE(F16, 40)
IMMABENCH_WGMMA_PROBE(F16, 256)
IMMABENCH_WGMMA_PROBE(BF16, 8)
IMMABENCH_WGMMA_PROBE(BF16, 40)
IMMABENCH_WGMMA_PROBE(BF16, 256)
#undef IMMABENCH_WGMMA_PROBE

#define IMMABENCH_WGMMA_PROBE(A, B, kN)                               \
  struct wgmma_n##kN##_##A##_##B : WgmmaProbe<simt::A, simt::B, kN> { \
    static constexpr const char* kName = "wgmma_n" #kN "_" #A "_" #B; \
  };
IMMABENCH_WGMMA_PROBE(S8, S8, 8)
IMMABENCH_WGMMA_PROBE(S8, S8, 16)
IMMABENCH_WGMMA_PROBE(S8, S8, 24)
IMMABENCH_WGMMA_PROBE(S8, S8, 32)
IMMABENCH_WGMMA_PROBE(S8, S8, 48)
IMMABENCH_WGMMA_PROBE(S8, S8, 64)
IMMABENCH_WGMMA_PROBE(S8, S8, 80)
IMMABENCH_WGMMA_PROBE(S8, S8, 96)
IMMABENCH_WGMMA_PROBE(S8, S8, 112)
IMMABENCH_WGMMA_PROBE(S8, S8, 128)
IMMABENCH_WGMMA_PROBE(S8, S8, 144)
IMMABENCH_WGMMA_PROBE(S8, S8, 160)
IMMABENCH_WGMMA_PROBE(S8, S8, 176)
IMMABENCH_WGMMA_PROBE(S8, S8, 192)
IMMABENCH_WGMMA_PROBE(S8, S8, 208)
IMMABENCH_WGMMA_PROBE(S8, S8, 224)
IMMABENCH_WGMMA_PROBE(S8, S8, 240)
IMMABENCH_WGMMA_PROBE(S8, S8, 256)
IMMABENCH_WGMMA_PROBE(S8, U8, 24)
IMMABENCH_WGMMA_PROBE(U8, S8, 24)
IMMABENCH_WGMMA_PROBE(U8, U8, 24)
IMMABENCH_WGMMA_PROBE(S8, U8, 256)
IMMABENCH_WGMMA_PROBE(U8, S8, 256)
IMMABENCH_WGMMA_PROBE(U8, U8, 256)
#undef IMMABENCH_WGMMA_PROBE

using WgmmaProbes =
    ProbeList<wgmma_n8_S8_S8, wgmma_n16_S8_S8, wgmma_n24_S8_S8, wgmma_n32_S8_S8, wgmma_n48_S8_S8, wgmma_n64_S8_S8,
              wgmma_n80_S8_S8, wgmma_n96_S8_S8, wgmma_n112_S8_S8, wgmma_n128_S8_S8, wgmma_n144_S8_S8, wgmma_n160_S8_S8,
              wgmma_n176_S8_S8, wgmma_n192_S8_S8, wgmma_n208_S8_S8, wgmma_n224_S8_S8, wgmma_n240_S8_S8, wgmma_n256_S8_S8,
              wgmma_n24_S8_U8, wgmma_n24_U8_S8, wgmma_n24_U8_U8, wgmma_n256_S8_U8, wgmma_n256_U8_S8, wgmma_n256_U8_U8,
              wgmma_n8_F16, wgmma_n40_F16, wgmma_n256_F16, wgmma_n8_BF16, wgmma_n40_BF16, wgmma_n256_BF16>;

}  // namespace probe_kinds
}  // namespace immabench::inline SIMT_TARGET
