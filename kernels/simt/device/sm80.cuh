// Asynchronous copies and warp matrix instructions of sm_80 and later.
#pragma once
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

// ---- cp.async: global to shared memory without a register in between
// Copies kBytes (4, 8 or 16), of which `valid_bytes` are read and the rest are zeros; valid_bytes = 0 reads nothing.
// 16-byte copies bypass L1 and ask L2 to fetch whole 128-byte lines.
template <int kBytes, class T>
SIMT_DEVICE void copy_async(u32 destination, Global<T> source, int valid_bytes) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "cp.async moves 4, 8 or 16 bytes");
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(destination), "l"(source.address),
                 "r"(valid_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(destination), "l"(source.address), "n"(kBytes),
                 "r"(valid_bytes)
                 : "memory");
  }
}
// The same of all 16 bytes, or of zeros where the source does not `exist`, which then is not read. Cheaper: a number of bytes
// is carried out as a shift of the source's address.
template <class T>
SIMT_DEVICE void copy_async_or_zeros(u32 destination, Global<T> source, bool exists) {
  asm volatile(
      "{\n .reg .pred p;\n setp.eq.b32 p, %2, 0;\n"
      " cp.async.cg.shared.global.L2::128B [%0], [%1], 16, p;\n}" ::"r"(destination),
      "l"(source.address), "r"(int(exists))
      : "memory");
}
SIMT_DEVICE void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most kPending of this thread's newest groups are still in flight.
template <int kPending>
SIMT_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// ---- ldmatrix: 8x8 matrices of 16-bit elements; lane i supplies the address of a 16-byte row
SIMT_DEVICE void ldmatrix(u32 (&r)[1], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(row) : "memory");
}
SIMT_DEVICE void ldmatrix(u32 (&r)[2], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(row) : "memory");
}
SIMT_DEVICE void ldmatrix(u32 (&r)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}
SIMT_DEVICE void ldmatrix_transposed(u32 (&r)[1], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(row) : "memory");
}
SIMT_DEVICE void ldmatrix_transposed(u32 (&r)[2], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(row) : "memory");
}
SIMT_DEVICE void ldmatrix_transposed(u32 (&r)[4], u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

// ---- mma.sync, integers: D += A B^T in wrapping int32. The shape follows from the operand types and the fragment sizes:
// four registers of A are m16n8k32 (8-bit) or m16n8k64 (4-bit), two are half that K.
#define SIMT_MMA(A, B, SHAPE4, SHAPE2, TYPES)                                                                         \
  SIMT_DEVICE void mma(A, B, i32(&d)[4], const u32(&a)[4], const u32(&b)[2]) {                                        \
    asm("mma.sync.aligned." SHAPE4 ".row.col.s32." TYPES ".s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                                                              \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                                          \
  }                                                                                                                   \
  SIMT_DEVICE void mma(A, B, i32(&d)[4], const u32(&a)[2], const u32(&b)[1]) {                                        \
    asm("mma.sync.aligned." SHAPE2 ".row.col.s32." TYPES ".s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"          \
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                                                              \
        : "r"(a[0]), "r"(a[1]), "r"(b[0]));                                                                           \
  }
SIMT_MMA(S8, S8, "m16n8k32", "m16n8k16", "s8.s8")
SIMT_MMA(S8, U8, "m16n8k32", "m16n8k16", "s8.u8")
SIMT_MMA(U8, S8, "m16n8k32", "m16n8k16", "u8.s8")
SIMT_MMA(U8, U8, "m16n8k32", "m16n8k16", "u8.u8")
SIMT_MMA(S4, S4, "m16n8k64", "m16n8k32", "s4.s4")
SIMT_MMA(S4, U4, "m16n8k64", "m16n8k32", "s4.u4")
SIMT_MMA(U4, S4, "m16n8k64", "m16n8k32", "u4.s4")
SIMT_MMA(U4, U4, "m16n8k64", "m16n8k32", "u4.u4")
#undef SIMT_MMA

// ---- mma.sync, 16-bit floats, m16n8k16: D += A B^T in fp32. PTX specifies neither the order of summation nor its rounding.
#define SIMT_MMA(T, TYPES)                                                                                          \
  SIMT_DEVICE void mma(T, T, float (&d)[4], const u32(&a)[4], const u32(&b)[2]) {                                   \
    asm("mma.sync.aligned.m16n8k16.row.col.f32." TYPES ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                                            \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                                        \
  }
SIMT_MMA(F16, "f16.f16")
SIMT_MMA(BF16, "bf16.bf16")
#undef SIMT_MMA

// ---- mma.sync, bits: D += popcount(A op B^T), m16n8k256
template <BitOperation kOperation>
SIMT_DEVICE void mma_b1(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  if constexpr (kOperation == BitOperation::kXor) {
    asm("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.xor.popc {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
}
SIMT_DEVICE void mma(B1, B1, i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { mma_b1<BitOperation::kAnd>(d, a, b); }

// kRows x kColumns of them: every fragment of A with every fragment of B. One call, so that the emulated warp meets once for
// the whole tile and widens each operand once, which is what makes it fast.
template <class A, class B, class Sum, int kRows, int kColumns>
SIMT_DEVICE void mma_tile(A, B, Sum (&d)[kRows][kColumns][4], const u32 (&a)[kRows][4], const u32 (&b)[kColumns][2]) {
  SIMT_UNROLL
  for (int i = 0; i < kRows; ++i) {
    SIMT_UNROLL
    for (int j = 0; j < kColumns; ++j) mma(A{}, B{}, d[i][j], a[i], b[j]);
  }
}

}  // namespace simt::inline SIMT_TARGET
