// Warpgroup matrix instructions of sm_90a.
#pragma once
#include <type_traits>

#include <simt/device/wgmma_registers.cuh>
#include <simt/matrix_descriptor.hpp>
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

// ---- wgmma: D[64][N] (+)= A[64][K] B[N][K]^T by the 128 threads of a warpgroup, asynchronously; 32 bytes along K
// Orders the threads' accesses to registers before the instructions' own. Accumulators that the threads wrote are named, so
// that the compiler writes them before.
SIMT_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
template <class Sum, int kGroups, int kAccumulators>
SIMT_DEVICE void keep_here(Sum (&d)[kGroups][kAccumulators]) {
  SIMT_UNROLL
  for (int i = 0; i < kGroups * kAccumulators; ++i) {
    Sum& sum = d[i / kAccumulators][i % kAccumulators];
    if constexpr (std::is_same_v<Sum, float>)
      asm volatile("" : "+f"(sum)::"memory");
    else
      asm volatile("" : "+r"(sum)::"memory");
  }
}
template <class Sum, int kGroups, int kAccumulators>
SIMT_DEVICE void wgmma_fence(Sum (&d)[kGroups][kAccumulators]) {
  keep_here(d);
  wgmma_fence();
}
SIMT_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// At most kPending of the newest groups are under way after it. With none, the accumulators are the threads' again, and named,
// so that the compiler reads them after.
template <int kPending, class Sum, int kGroups, int kAccumulators>
SIMT_DEVICE void wgmma_wait(Sum (&d)[kGroups][kAccumulators]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
  if constexpr (kPending == 0) keep_here(d);
}
template <int kPending, class Sum, int kAccumulators>
SIMT_DEVICE void wgmma_wait(Sum (&d)[kAccumulators]) {
  wgmma_wait<kPending>(reinterpret_cast<Sum(&)[1][kAccumulators]>(d));
}

// Operands in shared memory are stated by descriptors (matrix_descriptor.hpp), all K-major; A may come from registers, in the
// fragments of mma.sync m16n8k32 (8-bit) or m16n8k16 (16-bit), 16 rows a warp. N follows from the accumulators: N / 2 a thread.
// O0 to O5 are the names of the operands behind the accumulators.
#define SIMT_WGMMA_OF(A, B, SUM, C, SHAPE, TAIL_SS, TAIL_RS, R, O0, O1, O2, O3, O4, O5)                             \
  SIMT_DEVICE void wgmma(A, B, SUM(&d)[R], u64 a, u64 b, bool accumulate) {                                         \
    asm volatile("{.reg .pred p; setp.ne.b32 p, " O2 ", 0; wgmma.mma_async.sync.aligned." SHAPE " {" SIMT_NAMES_##R \
                 "}, " O0 ", " O1 ", p" TAIL_SS ";}"                                                                \
                 : SIMT_SUMS_##R(C)                                                                                 \
                 : "l"(a), "l"(b), "r"(u32(accumulate)));                                                           \
  }                                                                                                                 \
  SIMT_DEVICE void wgmma(A, B, SUM(&d)[R], const u32(&a)[4], u64 b, bool accumulate) {                              \
    asm volatile("{.reg .pred p; setp.ne.b32 p, " O5 ", 0; wgmma.mma_async.sync.aligned." SHAPE " {" SIMT_NAMES_##R \
                 "}, {" O0 "," O1 "," O2 "," O3 "}, " O4 ", p" TAIL_RS ";}"                                         \
                 : SIMT_SUMS_##R(C)                                                                                 \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(u32(accumulate)));                       \
  }

// Integers, in wrapping int32: N is 8, 24, or a multiple of 16 up to 256.
#define SIMT_WGMMA_INTEGERS(A, B, TYPES, N, R, ...) \
  SIMT_WGMMA_OF(A, B, i32, "+r", "m64n" #N "k32.s32." TYPES, "", "", R, __VA_ARGS__)
#define SIMT_WGMMA(N, R, ...)                             \
  SIMT_WGMMA_INTEGERS(S8, S8, "s8.s8", N, R, __VA_ARGS__) \
  SIMT_WGMMA_INTEGERS(S8, U8, "s8.u8", N, R, __VA_ARGS__) \
  SIMT_WGMMA_INTEGERS(U8, S8, "u8.s8", N, R, __VA_ARGS__) \
  SIMT_WGMMA_INTEGERS(U8, U8, "u8.u8", N, R, __VA_ARGS__)
SIMT_WGMMA(8, 4, "%4", "%5", "%6", "%7", "%8", "%9")
SIMT_WGMMA(16, 8, "%8", "%9", "%10", "%11", "%12", "%13")
SIMT_WGMMA(24, 12, "%12", "%13", "%14", "%15", "%16", "%17")
SIMT_WGMMA(32, 16, "%16", "%17", "%18", "%19", "%20", "%21")
SIMT_WGMMA(48, 24, "%24", "%25", "%26", "%27", "%28", "%29")
SIMT_WGMMA(64, 32, "%32", "%33", "%34", "%35", "%36", "%37")
SIMT_WGMMA(80, 40, "%40", "%41", "%42", "%43", "%44", "%45")
SIMT_WGMMA(96, 48, "%48", "%49", "%50", "%51", "%52", "%53")
SIMT_WGMMA(112, 56, "%56", "%57", "%58", "%59", "%60", "%61")
SIMT_WGMMA(128, 64, "%64", "%65", "%66", "%67", "%68", "%69")
SIMT_WGMMA(144, 72, "%72", "%73", "%74", "%75", "%76", "%77")
SIMT_WGMMA(160, 80, "%80", "%81", "%82", "%83", "%84", "%85")
SIMT_WGMMA(176, 88, "%88", "%89", "%90", "%91", "%92", "%93")
SIMT_WGMMA(192, 96, "%96", "%97", "%98", "%99", "%100", "%101")
SIMT_WGMMA(208, 104, "%104", "%105", "%106", "%107", "%108", "%109")
SIMT_WGMMA(224, 112, "%112", "%113", "%114", "%115", "%116", "%117")
SIMT_WGMMA(240, 120, "%120", "%121", "%122", "%123", "%124", "%125")
SIMT_WGMMA(256, 128, "%128", "%129", "%130", "%131", "%132", "%133")
#undef SIMT_WGMMA
#undef SIMT_WGMMA_INTEGERS

// 16-bit floats, in fp32: N is a multiple of 8 up to 256. Neither operand is negated (1, 1) or transposed (0).
#define SIMT_WGMMA_FLOATS(T, TYPES, N, R, ...) \
  SIMT_WGMMA_OF(T, T, float, "+f", "m64n" #N "k16.f32." TYPES, ", 1, 1, 0, 0", ", 1, 1, 0", R, __VA_ARGS__)
#define SIMT_WGMMA(N, R, ...)                          \
  SIMT_WGMMA_FLOATS(F16, "f16.f16", N, R, __VA_ARGS__) \
  SIMT_WGMMA_FLOATS(BF16, "bf16.bf16", N, R, __VA_ARGS__)
SIMT_WGMMA(8, 4, "%4", "%5", "%6", "%7", "%8", "%9")
SIMT_WGMMA(16, 8, "%8", "%9", "%10", "%11", "%12", "%13")
SIMT_WGMMA(24, 12, "%12", "%13", "%14", "%15", "%16", "%17")
SIMT_WGMMA(32, 16, "%16", "%17", "%18", "%19", "%20", "%21")
SIMT_WGMMA(40, 20, "%20", "%21", "%22", "%23", "%24", "%25")
SIMT_WGMMA(48, 24, "%24", "%25", "%26", "%27", "%28", "%29")
SIMT_WGMMA(56, 28, "%28", "%29", "%30", "%31", "%32", "%33")
SIMT_WGMMA(64, 32, "%32", "%33", "%34", "%35", "%36", "%37")
SIMT_WGMMA(72, 36, "%36", "%37", "%38", "%39", "%40", "%41")
SIMT_WGMMA(80, 40, "%40", "%41", "%42", "%43", "%44", "%45")
SIMT_WGMMA(88, 44, "%44", "%45", "%46", "%47", "%48", "%49")
SIMT_WGMMA(96, 48, "%48", "%49", "%50", "%51", "%52", "%53")
SIMT_WGMMA(104, 52, "%52", "%53", "%54", "%55", "%56", "%57")
SIMT_WGMMA(112, 56, "%56", "%57", "%58", "%59", "%60", "%61")
SIMT_WGMMA(120, 60, "%60", "%61", "%62", "%63", "%64", "%65")
SIMT_WGMMA(128, 64, "%64", "%65", "%66", "%67", "%68", "%69")
SIMT_WGMMA(136, 68, "%68", "%69", "%70", "%71", "%72", "%73")
SIMT_WGMMA(144, 72, "%72", "%73", "%74", "%75", "%76", "%77")
SIMT_WGMMA(152, 76, "%76", "%77", "%78", "%79", "%80", "%81")
SIMT_WGMMA(160, 80, "%80", "%81", "%82", "%83", "%84", "%85")
SIMT_WGMMA(168, 84, "%84", "%85", "%86", "%87", "%88", "%89")
SIMT_WGMMA(176, 88, "%88", "%89", "%90", "%91", "%92", "%93")
SIMT_WGMMA(184, 92, "%92", "%93", "%94", "%95", "%96", "%97")
SIMT_WGMMA(192, 96, "%96", "%97", "%98", "%99", "%100", "%101")
SIMT_WGMMA(200, 100, "%100", "%101", "%102", "%103", "%104", "%105")
SIMT_WGMMA(208, 104, "%104", "%105", "%106", "%107", "%108", "%109")
SIMT_WGMMA(216, 108, "%108", "%109", "%110", "%111", "%112", "%113")
SIMT_WGMMA(224, 112, "%112", "%113", "%114", "%115", "%116", "%117")
SIMT_WGMMA(232, 116, "%116", "%117", "%118", "%119", "%120", "%121")
SIMT_WGMMA(240, 120, "%120", "%121", "%122", "%123", "%124", "%125")
SIMT_WGMMA(248, 124, "%124", "%125", "%126", "%127", "%128", "%129")
SIMT_WGMMA(256, 128, "%128", "%129", "%130", "%131", "%132", "%133")
#undef SIMT_WGMMA
#undef SIMT_WGMMA_FLOATS
#undef SIMT_WGMMA_OF

}  // namespace simt::inline SIMT_TARGET
