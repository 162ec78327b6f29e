// Every device primitive that CuTe, CUDA's built-in functions or libcu++ have too, twice: ours and theirs, in kernels that
// differ in nothing else. Compiled the same way they must give the same machine code; a wrong constraint, operand order or
// qualifier in our inline PTX shows here without a GPU.
#include <cuda/atomic>
#include <cute/arch/copy_sm75.hpp>
#include <cute/arch/copy_sm80.hpp>
#include <cute/arch/mma_sm80.hpp>

#include <simt/simt.cuh>

using simt::u32;
using simt::u64;

namespace {

constexpr int kRegisters = 10;  // 4 accumulators, up to 4 of A, up to 2 of B

// Operands from memory and accumulators (r0..r3) back to it, so that the compiler can neither fold nor drop anything.
struct Registers {
  u32 r[kRegisters];
  __device__ explicit Registers(const u32* memory) {
#pragma unroll
    for (int i = 0; i < kRegisters; ++i) r[i] = memory[i * 32 + threadIdx.x];
  }
  __device__ void store(u32* memory) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) memory[i * 32 + threadIdx.x] = r[i];
  }
};

__device__ unsigned char* shared_bytes() { return simt::dynamic_shared_memory + threadIdx.x * 16; }
__device__ u32 shared_address() { return simt::shared_base() + threadIdx.x * 16; }

}  // namespace

#define KERNEL(name) extern "C" __global__ void name(u32* memory, const void* source, int bytes)

// ---- matrix multiply: accumulators r0..r3, A from r4, B from r8
template <class A, class B, int kA, int kB>
__device__ void our_mma(u32 (&r)[kRegisters]) {
  int d[4];
  u32 a[kA], b[kB];
  for (int i = 0; i < 4; ++i) d[i] = int(r[i]);
  for (int i = 0; i < kA; ++i) a[i] = r[4 + i];
  for (int i = 0; i < kB; ++i) b[i] = r[8 + i];
  simt::mma(A{}, B{}, d, a, b);
  for (int i = 0; i < 4; ++i) r[i] = u32(d[i]);
}
template <simt::BitOperation kOperation>
__device__ void our_mma_b1(u32 (&r)[kRegisters]) {
  int d[4] = {int(r[0]), int(r[1]), int(r[2]), int(r[3])};
  const u32 a[4] = {r[4], r[5], r[6], r[7]}, b[2] = {r[8], r[9]};
  simt::mma_b1<kOperation>(d, a, b);
  for (int i = 0; i < 4; ++i) r[i] = u32(d[i]);
}
template <class Mma, int kA>
__device__ void cute_mma(u32 (&r)[kRegisters]) {
  if constexpr (kA == 4) {
    Mma::fma(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[0], r[1], r[2], r[3]);
  } else {
    Mma::fma(r[0], r[1], r[2], r[3], r[4], r[5], r[8], r[0], r[1], r[2], r[3]);
  }
}

#define MMA(name, A, B, kA, kB, CUTE)       \
  KERNEL(ours_##name) {                     \
    Registers f(memory);                    \
    our_mma<simt::A, simt::B, kA, kB>(f.r); \
    f.store(memory);                        \
  }                                         \
  KERNEL(cute_##name) {                     \
    Registers f(memory);                    \
    cute_mma<cute::CUTE, kA>(f.r);          \
    f.store(memory);                        \
  }
MMA(mma_m16n8k16_s8_s8, S8, S8, 2, 1, SM80_16x8x16_S32S8S8S32_TN)
MMA(mma_m16n8k32_s8_s8, S8, S8, 4, 2, SM80_16x8x32_S32S8S8S32_TN)
MMA(mma_m16n8k16_s8_u8, S8, U8, 2, 1, SM80_16x8x16_S32S8U8S32_TN)
MMA(mma_m16n8k32_s8_u8, S8, U8, 4, 2, SM80_16x8x32_S32S8U8S32_TN)
MMA(mma_m16n8k16_u8_s8, U8, S8, 2, 1, SM80_16x8x16_S32U8S8S32_TN)
MMA(mma_m16n8k32_u8_s8, U8, S8, 4, 2, SM80_16x8x32_S32U8S8S32_TN)
MMA(mma_m16n8k16_u8_u8, U8, U8, 2, 1, SM80_16x8x16_S32U8U8S32_TN)
MMA(mma_m16n8k32_u8_u8, U8, U8, 4, 2, SM80_16x8x32_S32U8U8S32_TN)
MMA(mma_m16n8k32_s4_s4, S4, S4, 2, 1, SM80_16x8x32_S32S4S4S32_TN)
MMA(mma_m16n8k64_s4_s4, S4, S4, 4, 2, SM80_16x8x64_S32S4S4S32_TN)
MMA(mma_m16n8k32_s4_u4, S4, U4, 2, 1, SM80_16x8x32_S32S4U4S32_TN)
MMA(mma_m16n8k64_s4_u4, S4, U4, 4, 2, SM80_16x8x64_S32S4U4S32_TN)
MMA(mma_m16n8k32_u4_s4, U4, S4, 2, 1, SM80_16x8x32_S32U4S4S32_TN)
MMA(mma_m16n8k64_u4_s4, U4, S4, 4, 2, SM80_16x8x64_S32U4S4S32_TN)
MMA(mma_m16n8k32_u4_u4, U4, U4, 2, 1, SM80_16x8x32_S32U4U4S32_TN)
MMA(mma_m16n8k64_u4_u4, U4, U4, 4, 2, SM80_16x8x64_S32U4U4S32_TN)

// ---- the same with accumulators in fp32
__device__ float as_float(u32 bits) { return __uint_as_float(bits); }
template <class T>
__device__ void our_float_mma(u32 (&r)[kRegisters]) {
  float d[4] = {as_float(r[0]), as_float(r[1]), as_float(r[2]), as_float(r[3])};
  const u32 a[4] = {r[4], r[5], r[6], r[7]}, b[2] = {r[8], r[9]};
  simt::mma(T{}, T{}, d, a, b);
  for (int i = 0; i < 4; ++i) r[i] = __float_as_uint(d[i]);
}
template <class Mma>
__device__ void cute_float_mma(u32 (&r)[kRegisters]) {
  float d[4] = {as_float(r[0]), as_float(r[1]), as_float(r[2]), as_float(r[3])};
  Mma::fma(d[0], d[1], d[2], d[3], r[4], r[5], r[6], r[7], r[8], r[9], d[0], d[1], d[2], d[3]);
  for (int i = 0; i < 4; ++i) r[i] = __float_as_uint(d[i]);
}
#define FLOAT_MMA(name, T, CUTE)     \
  KERNEL(ours_##name) {              \
    Registers f(memory);             \
    our_float_mma<simt::T>(f.r);     \
    f.store(memory);                 \
  }                                  \
  KERNEL(cute_##name) {              \
    Registers f(memory);             \
    cute_float_mma<cute::CUTE>(f.r); \
    f.store(memory);                 \
  }
FLOAT_MMA(mma_m16n8k16_f16, F16, SM80_16x8x16_F32F16F16F32_TN)
FLOAT_MMA(mma_m16n8k16_bf16, BF16, SM80_16x8x16_F32BF16BF16F32_TN)

#define MMA_B1(name, OPERATION, CUTE)               \
  KERNEL(ours_##name) {                             \
    Registers f(memory);                            \
    our_mma_b1<simt::BitOperation::OPERATION>(f.r); \
    f.store(memory);                                \
  }                                                 \
  KERNEL(cute_##name) {                             \
    Registers f(memory);                            \
    cute_mma<cute::CUTE, 4>(f.r);                   \
    f.store(memory);                                \
  }
MMA_B1(mma_m16n8k256_b1_xor, kXor, SM80_16x8x256_S32U1U1S32_TN_XORPOPC)
MMA_B1(mma_m16n8k256_b1_and, kAnd, SM80_16x8x256_S32U1U1S32_TN_ANDPOPC)

// ---- ldmatrix
template <class Copy, int kCount>
__device__ void cute_ldmatrix(u32 (&r)[kCount]) {
  const auto& row = *reinterpret_cast<const cute::uint128_t*>(shared_bytes());
  if constexpr (kCount == 1) Copy::copy(row, r[0]);
  if constexpr (kCount == 2) Copy::copy(row, r[0], r[1]);
  if constexpr (kCount == 4) Copy::copy(row, r[0], r[1], r[2], r[3]);
}
#define LDMATRIX(name, FUNCTION, kCount, CUTE)                            \
  KERNEL(ours_##name) {                                                   \
    u32 r[kCount];                                                        \
    simt::FUNCTION(r, shared_address());                                  \
    for (int i = 0; i < kCount; ++i) memory[i * 32 + threadIdx.x] = r[i]; \
  }                                                                       \
  KERNEL(cute_##name) {                                                   \
    u32 r[kCount];                                                        \
    cute_ldmatrix<cute::CUTE>(r);                                         \
    for (int i = 0; i < kCount; ++i) memory[i * 32 + threadIdx.x] = r[i]; \
  }
LDMATRIX(ldmatrix_x1, ldmatrix, 1, SM75_U32x1_LDSM_N)
LDMATRIX(ldmatrix_x2, ldmatrix, 2, SM75_U32x2_LDSM_N)
LDMATRIX(ldmatrix_x4, ldmatrix, 4, SM75_U32x4_LDSM_N)
LDMATRIX(ldmatrix_x1_trans, ldmatrix_transposed, 1, SM75_U16x2_LDSM_T)
LDMATRIX(ldmatrix_x2_trans, ldmatrix_transposed, 2, SM75_U16x4_LDSM_T)
LDMATRIX(ldmatrix_x4_trans, ldmatrix_transposed, 4, SM75_U16x8_LDSM_T)

// ---- cp.async: a copy of which all or none is valid, its commit and its wait
#define COPY_ASYNC(name, kBytes, CUTE)                                                                                   \
  KERNEL(ours_##name) {                                                                                                  \
    simt::copy_async<kBytes>(shared_address(), simt::Global<const char>{u64(source)}, threadIdx.x < bytes ? kBytes : 0); \
    simt::copy_async_commit();                                                                                           \
    simt::copy_async_wait<1>();                                                                                          \
  }                                                                                                                      \
  KERNEL(cute_##name) {                                                                                                  \
    using T = cute::uint_byte_t<kBytes>;                                                                                 \
    CUTE<T>::copy(*static_cast<const T*>(source), *reinterpret_cast<T*>(shared_bytes()), threadIdx.x < bytes);           \
    cute::cp_async_fence();                                                                                              \
    cute::cp_async_wait<1>();                                                                                            \
  }
COPY_ASYNC(copy_async_4, 4, cute::SM80_CP_ASYNC_CACHEALWAYS_ZFILL)
COPY_ASYNC(copy_async_8, 8, cute::SM80_CP_ASYNC_CACHEALWAYS_ZFILL)
COPY_ASYNC(copy_async_16, 16, cute::SM80_CP_ASYNC_CACHEGLOBAL_ZFILL)

// ---- global memory that other blocks write: libcu++'s atomics, and loads past L1 (of the same machine code as relaxed ones)
#define ATOMIC_ADD(name, FUNCTION, ORDER)                                             \
  KERNEL(ours_##name) { memory[threadIdx.x] = simt::FUNCTION({u64(source)}, bytes); } \
  KERNEL(cute_##name) {                                                               \
    auto& counter = *static_cast<int*>(const_cast<void*>(source));                    \
    const cuda::atomic_ref<int, cuda::thread_scope_device> theirs(counter);           \
    memory[threadIdx.x] = theirs.fetch_add(bytes, cuda::ORDER);                       \
  }
ATOMIC_ADD(atomic_add_global, atomic_add_global, memory_order_relaxed)
ATOMIC_ADD(atomic_add_global_acq_rel, atomic_add_global_acq_rel, memory_order_acq_rel)

#define COHERENT_LOAD(name, VECTOR, N)                                                                 \
  KERNEL(ours_##name) {                                                                                \
    const auto value = simt::load_global_coherent(simt::Global<simt::Vector<u32, N>>{u64(source)});    \
    for (int i = 0; i < N; ++i) memory[N * threadIdx.x + i] = value[i];                                \
  }                                                                                                    \
  KERNEL(cute_##name) {                                                                                \
    const VECTOR value = __ldcg(static_cast<const VECTOR*>(source));                                   \
    for (int i = 0; i < N; ++i) memory[N * threadIdx.x + i] = reinterpret_cast<const u32*>(&value)[i]; \
  }
COHERENT_LOAD(load_global_coherent_4, unsigned, 1)
COHERENT_LOAD(load_global_coherent_8, uint2, 2)
COHERENT_LOAD(load_global_coherent_16, uint4, 4)
