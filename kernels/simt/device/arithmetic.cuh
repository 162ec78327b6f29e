// Arithmetic with its rounding stated. Kernels use these where the result must equal the CPU's bit for bit: a plain `a * b + c`
// may be contracted to a fused multiply-add by one compiler and not by the other.
#pragma once
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

SIMT_DEVICE float multiply_rn(float a, float b) { return __fmul_rn(a, b); }
SIMT_DEVICE float add_rn(float a, float b) { return __fadd_rn(a, b); }
SIMT_DEVICE float divide_rn(float a, float b) { return __fdiv_rn(a, b); }
SIMT_DEVICE float sqrt_rn(float a) { return __fsqrt_rn(a); }
SIMT_DEVICE float to_float_rn(i32 value) { return __int2float_rn(value); }
// Round half to even, saturating to int32; NaN gives 0.
SIMT_DEVICE i32 to_int_rn(float value) { return __float2int_rn(value); }

// Two floats to two 16-bit floats, `low` in the low half; round half to even, NaN becomes 0x7FFF (PTX ISA, cvt).
SIMT_DEVICE u32 pack_f16x2(float low, float high) {
  u32 packed;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
SIMT_DEVICE u32 pack_bf16x2(float low, float high) {
  u32 packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
// A 16-bit float as fp32, exactly; which NaN a NaN becomes is not specified.
SIMT_DEVICE float from_f16(u16 bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
SIMT_DEVICE float from_bf16(u16 bits) { return __uint_as_float(u32(bits) << 16); }
SIMT_DEVICE float float_of_bits(u32 bits) { return __uint_as_float(bits); }

// Two 16-bit floats a word, each half by itself, each result rounded once to nearest even; subnormals are kept, NaN is 0x7FFF.
// `.rn` keeps them from being contracted. Those of bf16 are all made of fma, which sm_80 has: b * -1 and a product less 0 are
// exact, signs of zeros included.
SIMT_DEVICE u32 fma_rn_f16x2(u32 a, u32 b, u32 c) {
  u32 result;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
}
SIMT_DEVICE u32 multiply_rn_f16x2(u32 a, u32 b) {
  u32 result;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
  return result;
}
SIMT_DEVICE u32 subtract_rn_f16x2(u32 a, u32 b) {
  u32 result;
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
  return result;
}
SIMT_DEVICE u32 fma_rn_bf16x2(u32 a, u32 b, u32 c) {
  u32 result;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
}
SIMT_DEVICE u32 multiply_rn_bf16x2(u32 a, u32 b) { return fma_rn_bf16x2(a, b, 0x80008000u); }
SIMT_DEVICE u32 subtract_rn_bf16x2(u32 a, u32 b) { return fma_rn_bf16x2(b, 0xBF80BF80u, a); }

// Four 8-bit products added to `c`.
SIMT_DEVICE i32 dot_s8(u32 a, u32 b, i32 c) { return __dp4a(i32(a), i32(b), c); }
// The largest of each of four signed bytes over words that come one by one. sm_90 has maxima of 16 bits: a byte is the upper
// half of one, above whatever lies below it, so that two registers are kept, 3 instructions a word; others take 6 for bytes.
struct ByteMaxima {
  u32 odd = 0x80808080u, even = 0x80808080u;
};
SIMT_DEVICE void include_bytes(ByteMaxima& maxima, u32 bytes) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  maxima.odd = __vmaxs2(maxima.odd, bytes), maxima.even = __vmaxs2(maxima.even, bytes << 8);
#else
  maxima.odd = __vmaxs4(maxima.odd, bytes);
#endif
}
SIMT_DEVICE u32 maximal_bytes(const ByteMaxima& maxima) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  return __byte_perm(maxima.even, maxima.odd, 0x7351);
#else
  return maxima.odd;
#endif
}
// prmt: each nibble of `selector` picks a byte of {high, low}; its top bit replicates that byte's sign.
SIMT_DEVICE u32 permute_bytes(u32 low, u32 high, u32 selector) { return __byte_perm(low, high, selector); }
// lop3: the bitwise function of three words whose truth table is kTable.
template <int kTable>
SIMT_DEVICE u32 logic3(u32 a, u32 b, u32 c) {
  u32 result;
  asm("lop3.b32 %0, %1, %2, %3, %4;" : "=r"(result) : "r"(a), "r"(b), "r"(c), "n"(kTable));
  return result;
}
// The low word of {high, low} shifted right by `shift` mod 32.
SIMT_DEVICE u32 funnel_shift_right(u32 low, u32 high, u32 shift) { return __funnelshift_r(low, high, shift); }

}  // namespace simt::inline SIMT_TARGET
