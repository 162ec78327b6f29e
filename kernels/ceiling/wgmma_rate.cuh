// Peak rate of wgmma (sm_90a): two warpgroups of a block multiply 64 x K by 256 x K operands in shared memory, K-major with the
// 128-byte swizzle, into 128 registers a thread each, again and again. While one waits for its batch the other keeps the tensor
// cores busy. PTX ISA 9.7.15, asynchronous warpgroup level matrix instructions.
//
// A row of an operand is 128 bytes, four steps of 32. Operands are random, so their order within shared memory does not matter
// and the swizzle is in the descriptor alone. Of floats every second batch has its A negated, as in mma_rate.cuh.
#pragma once
#include <ceiling/rate_clock.cuh>

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define IMMABENCH_WGMMA 1
#else
#define IMMABENCH_WGMMA 0
#endif

namespace immabench::inline SIMT_TARGET {

constexpr int kWarpgroup = 128;          // threads
constexpr int kRowBytes = 128;           // of an operand in shared memory: the width of the swizzle
constexpr int kStepBytes = 32;           // of a row that one instruction multiplies
constexpr int kABytes = 64 * kRowBytes;  // a warpgroup's A
constexpr int kBBytes = 256 * kRowBytes;
constexpr int kAccumulators = 128;  // 64 x 256 of a warpgroup
static_assert(2 * kABytes + kBBytes == 4 * kRateWords * kRateThreads);

#if IMMABENCH_WGMMA
// Descriptor of a K-major operand with the 128-byte swizzle: address, stride of 8 rows, both in units of 16 bytes. PTX ISA,
// matrix descriptor format.
SIMT_DEVICE simt::u64 descriptor(u32 address) {
  constexpr simt::u64 kSwizzle128 = 1, kLeading = 1, kStride = 8 * kRowBytes / 16;
  return simt::u64((address & 0x3FFFF) / 16) | kLeading << 16 | kStride << 32 | kSwizzle128 << 62;
}
SIMT_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
SIMT_DEVICE void wgmma_commit_and_wait() {
  asm volatile("wgmma.commit_group.sync.aligned;\n\twgmma.wait_group.sync.aligned 0;" ::: "memory");
}

#define IMMABENCH_D8(i) \
  "+r"(d[i]), "+r"(d[i + 1]), "+r"(d[i + 2]), "+r"(d[i + 3]), "+r"(d[i + 4]), "+r"(d[i + 5]), "+r"(d[i + 6]), "+r"(d[i + 7])
#define IMMABENCH_D32(i) IMMABENCH_D8(i), IMMABENCH_D8(i + 8), IMMABENCH_D8(i + 16), IMMABENCH_D8(i + 24)
#define IMMABENCH_D IMMABENCH_D32(0), IMMABENCH_D32(32), IMMABENCH_D32(64), IMMABENCH_D32(96)
// clang-format off
#define IMMABENCH_D_NAMES \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"  \
  "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"  \
  "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"  \
  "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,"  \
  "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,"  \
  "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,"  \
  "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,"  \
  "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
// clang-format on
// `OPERANDS` and `TAIL`: A, B and the immediates from %128 on; 1 keeps what D holds.
#define IMMABENCH_WGMMA_ASM(SHAPE_AND_TYPES, OPERANDS, TAIL, ...)                                                          \
  asm volatile("wgmma.mma_async.sync.aligned.m64n256" SHAPE_AND_TYPES " {" IMMABENCH_D_NAMES "}, " OPERANDS ", 1" TAIL ";" \
               : IMMABENCH_D                                                                                               \
               : __VA_ARGS__)
#endif

// One instruction on step `step` of the rows. `kSign` is 1 or -1, the factor of A; integers take 1 only.
#define IMMABENCH_WGMMA_KIND(Name, TEXT, CAPABILITY, TYPE, ACCUMULATOR, K, SIGNED)                                    \
  struct Name {                                                                                                       \
    static constexpr const char *kName = TEXT, *kCapability = CAPABILITY;                                             \
    static constexpr const char *kOperandType = TYPE, *kAccumulator = ACCUMULATOR;                                    \
    static constexpr int kOperations = 2 * 64 * 256 * K;                                                              \
    static constexpr bool kSigned = SIGNED;                                                                           \
    template <int kSign>                                                                                              \
    static SIMT_DEVICE void multiply(u32 (&d)[kAccumulators], const u32 (&a)[4], simt::u64 a_rows, simt::u64 b_rows); \
  };                                                                                                                  \
  template <int kSign>                                                                                                \
  SIMT_DEVICE void Name::multiply(u32(&d)[kAccumulators], const u32(&a)[4], simt::u64 a_rows, simt::u64 b_rows)
#if IMMABENCH_WGMMA
#define IMMABENCH_WGMMA_SHARED(SHAPE_AND_TYPES, TAIL) \
  IMMABENCH_WGMMA_ASM(SHAPE_AND_TYPES, "%128, %129", TAIL, "l"(a_rows), "l"(b_rows), "n"(kSign))
#define IMMABENCH_WGMMA_REGISTERS(SHAPE_AND_TYPES, TAIL)                                                                \
  IMMABENCH_WGMMA_ASM(SHAPE_AND_TYPES, "{%128,%129,%130,%131}, %132", TAIL, "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), \
                      "l"(b_rows))
#else
#define IMMABENCH_WGMMA_SHARED(SHAPE_AND_TYPES, TAIL)
#define IMMABENCH_WGMMA_REGISTERS(SHAPE_AND_TYPES, TAIL)
#endif

namespace wgmma_kinds {

IMMABENCH_WGMMA_KIND(S8, "wgmma.m64n256k32.s8", "wgmma.m64nNk32.s8", "s8", "s32", 32, false) {
  IMMABENCH_WGMMA_SHARED("k32.s32.s8.s8", "");
}
IMMABENCH_WGMMA_KIND(S8FromRegisters, "wgmma.m64n256k32.s8, A in registers", "wgmma.m64nNk32.s8", "s8", "s32", 32, false) {
  IMMABENCH_WGMMA_REGISTERS("k32.s32.s8.s8", "");
}
IMMABENCH_WGMMA_KIND(F16, "wgmma.m64n256k16.f16", "wgmma.m64nNk16.f16", "f16", "f32", 16, true) {
  IMMABENCH_WGMMA_SHARED("k16.f32.f16.f16", ", %130, 1, 0, 0");
}
IMMABENCH_WGMMA_KIND(BF16, "wgmma.m64n256k16.bf16", "wgmma.m64nNk16.bf16", "bf16", "f32", 16, true) {
  IMMABENCH_WGMMA_SHARED("k16.f32.bf16.bf16", ", %130, 1, 0, 0");
}
IMMABENCH_WGMMA_KIND(TF32, "wgmma.m64n256k8.tf32", "wgmma.m64nNk8.tf32", "tf32", "f32", 8, true) {
  IMMABENCH_WGMMA_SHARED("k8.f32.tf32.tf32", ", %130, 1");
}
IMMABENCH_WGMMA_KIND(E4M3, "wgmma.m64n256k32.e4m3", "wgmma.m64nNk32.e4m3", "e4m3", "f32", 32, true) {
  IMMABENCH_WGMMA_SHARED("k32.f32.e4m3.e4m3", ", %130, 1");
}

}  // namespace wgmma_kinds
#undef IMMABENCH_WGMMA_KIND
#undef IMMABENCH_WGMMA_SHARED
#undef IMMABENCH_WGMMA_REGISTERS
#undef IMMABENCH_WGMMA_ASM
#undef IMMABENCH_D_NAMES
#undef IMMABENCH_D
#undef IMMABENCH_D32
#undef IMMABENCH_D8

constexpr int kSteps = kRowBytes / kStepBytes, kBatches = 2;  // batches of an iteration: A, then A negated

template <class Kind>
SIMT_KERNEL(kRateThreads)
wgmma_rate_kernel(SIMT_PARAMETERS RateParameters p) {
#if IMMABENCH_WGMMA
  const u32 base = simt::shared_base(), thread = simt::thread_index();
  SIMT_UNROLL
  for (int word = 0; word < kRateWords; ++word) {
    simt::store_shared(base + 4 * (word * kRateThreads + thread), operand_word(p, word));
  }
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  const simt::u64 a_rows = descriptor(base + thread / kWarpgroup * kABytes), b_rows = descriptor(base + 2 * kABytes);
  u32 d[kAccumulators] = {}, a[4];
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) a[i] = operand_word(p, i);
  BlockClock clock;
  clock.start();
#pragma unroll 1
  for (int i = 0; i < p.iterations; ++i) {
    wgmma_fence();
    SIMT_UNROLL
    for (int step = 0; step < kSteps; ++step)
      Kind::template multiply<1>(d, a, a_rows + step * kStepBytes / 16, b_rows + step * kStepBytes / 16);
    SIMT_UNROLL
    for (int step = 0; step < kSteps; ++step)
      Kind::template multiply<Kind::kSigned ? -1 : 1>(d, a, a_rows + step * kStepBytes / 16, b_rows + step * kStepBytes / 16);
    wgmma_commit_and_wait();
  }
  clock.stop(p);
  u32 sum = 0;
  SIMT_UNROLL
  for (const u32 value : d) sum ^= value;
  store_folded(p, sum);
#else
  report_absent(p);
#endif
}

template <class Kind>
constexpr int instructions_of_wgmma() {
  return kRateThreads / kWarpgroup * kSteps * kBatches;
}

}  // namespace immabench::inline SIMT_TARGET
#undef IMMABENCH_WGMMA
