// Warpgroup matrix instructions of sm_90a.
#pragma once
#include <simt/matrix_descriptor.hpp>
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

// ---- wgmma: D[64][N] (+)= A[64][32] B[N][32]^T by the 128 threads of a warpgroup, asynchronously
// Orders the threads' accesses to registers before the instructions' own. Accumulators that the threads wrote are named, so that
// the compiler writes them before.
SIMT_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
template <int kGroups, int kAccumulators>
SIMT_DEVICE void keep_here(i32 (&d)[kGroups][kAccumulators]) {
  SIMT_UNROLL
  for (int i = 0; i < kGroups * kAccumulators; ++i) asm volatile("" : "+r"(d[i / kAccumulators][i % kAccumulators])::"memory");
}
template <int kGroups, int kAccumulators>
SIMT_DEVICE void wgmma_fence(i32 (&d)[kGroups][kAccumulators]) {
  keep_here(d);
  wgmma_fence();
}
SIMT_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// At most kPending of the newest groups are under way after it. With none, the accumulators are the threads' again, and named, so
// that the compiler reads them after.
template <int kPending, int kGroups, int kAccumulators>
SIMT_DEVICE void wgmma_wait(i32 (&d)[kGroups][kAccumulators]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
  if constexpr (kPending == 0) keep_here(d);
}
template <int kPending, int kAccumulators>
SIMT_DEVICE void wgmma_wait(i32 (&d)[kAccumulators]) {
  wgmma_wait<kPending>(reinterpret_cast<i32(&)[1][kAccumulators]>(d));
}

// Operands in shared memory are stated by descriptors (matrix_descriptor.hpp), all K-major; A may come from registers, in the
// fragments of mma.sync m16n8k32, 16 rows a warp. N follows from the accumulators: N / 2 a thread. Overloads exist for every N
// of the integer instructions: 8, 24, and multiples of 16 up to 256.
#define SIMT_NAMES_8 "%0,%1,%2,%3,%4,%5,%6,%7"
#define SIMT_SUMS_8 "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]), "+r"(d[4]), "+r"(d[5]), "+r"(d[6]), "+r"(d[7])
#define SIMT_NAMES_16 \
  SIMT_NAMES_8        \
  ","                 \
  "%8,%9,%10,%11,%12,%13,%14,%15"
#define SIMT_SUMS_16 \
  SIMT_SUMS_8, "+r"(d[8]), "+r"(d[9]), "+r"(d[10]), "+r"(d[11]), "+r"(d[12]), "+r"(d[13]), "+r"(d[14]), "+r"(d[15])
#define SIMT_NAMES_24 \
  SIMT_NAMES_16       \
  ","                 \
  "%16,%17,%18,%19,%20,%21,%22,%23"
#define SIMT_SUMS_24 \
  SIMT_SUMS_16, "+r"(d[16]), "+r"(d[17]), "+r"(d[18]), "+r"(d[19]), "+r"(d[20]), "+r"(d[21]), "+r"(d[22]), "+r"(d[23])
#define SIMT_NAMES_32 \
  SIMT_NAMES_24       \
  ","                 \
  "%24,%25,%26,%27,%28,%29,%30,%31"
#define SIMT_SUMS_32 \
  SIMT_SUMS_24, "+r"(d[24]), "+r"(d[25]), "+r"(d[26]), "+r"(d[27]), "+r"(d[28]), "+r"(d[29]), "+r"(d[30]), "+r"(d[31])
#define SIMT_NAMES_40 \
  SIMT_NAMES_32       \
  ","                 \
  "%32,%33,%34,%35,%36,%37,%38,%39"
#define SIMT_SUMS_40 \
  SIMT_SUMS_32, "+r"(d[32]), "+r"(d[33]), "+r"(d[34]), "+r"(d[35]), "+r"(d[36]), "+r"(d[37]), "+r"(d[38]), "+r"(d[39])
#define SIMT_NAMES_48 \
  SIMT_NAMES_40       \
  ","                 \
  "%40,%41,%42,%43,%44,%45,%46,%47"
#define SIMT_SUMS_48 \
  SIMT_SUMS_40, "+r"(d[40]), "+r"(d[41]), "+r"(d[42]), "+r"(d[43]), "+r"(d[44]), "+r"(d[45]), "+r"(d[46]), "+r"(d[47])
#define SIMT_NAMES_56 \
  SIMT_NAMES_48       \
  ","                 \
  "%48,%49,%50,%51,%52,%53,%54,%55"
#define SIMT_SUMS_56 \
  SIMT_SUMS_48, "+r"(d[48]), "+r"(d[49]), "+r"(d[50]), "+r"(d[51]), "+r"(d[52]), "+r"(d[53]), "+r"(d[54]), "+r"(d[55])
#define SIMT_NAMES_64 \
  SIMT_NAMES_56       \
  ","                 \
  "%56,%57,%58,%59,%60,%61,%62,%63"
#define SIMT_SUMS_64 \
  SIMT_SUMS_56, "+r"(d[56]), "+r"(d[57]), "+r"(d[58]), "+r"(d[59]), "+r"(d[60]), "+r"(d[61]), "+r"(d[62]), "+r"(d[63])
#define SIMT_NAMES_72 \
  SIMT_NAMES_64       \
  ","                 \
  "%64,%65,%66,%67,%68,%69,%70,%71"
#define SIMT_SUMS_72 \
  SIMT_SUMS_64, "+r"(d[64]), "+r"(d[65]), "+r"(d[66]), "+r"(d[67]), "+r"(d[68]), "+r"(d[69]), "+r"(d[70]), "+r"(d[71])
#define SIMT_NAMES_80 \
  SIMT_NAMES_72       \
  ","                 \
  "%72,%73,%74,%75,%76,%77,%78,%79"
#define SIMT_SUMS_80 \
  SIMT_SUMS_72, "+r"(d[72]), "+r"(d[73]), "+r"(d[74]), "+r"(d[75]), "+r"(d[76]), "+r"(d[77]), "+r"(d[78]), "+r"(d[79])
#define SIMT_NAMES_88 \
  SIMT_NAMES_80       \
  ","                 \
  "%80,%81,%82,%83,%84,%85,%86,%87"
#define SIMT_SUMS_88 \
  SIMT_SUMS_80, "+r"(d[80]), "+r"(d[81]), "+r"(d[82]), "+r"(d[83]), "+r"(d[84]), "+r"(d[85]), "+r"(d[86]), "+r"(d[87])
#define SIMT_NAMES_96 \
  SIMT_NAMES_88       \
  ","                 \
  "%88,%89,%90,%91,%92,%93,%94,%95"
#define SIMT_SUMS_96 \
  SIMT_SUMS_88, "+r"(d[88]), "+r"(d[89]), "+r"(d[90]), "+r"(d[91]), "+r"(d[92]), "+r"(d[93]), "+r"(d[94]), "+r"(d[95])
#define SIMT_NAMES_104 \
  SIMT_NAMES_96        \
  ","                  \
  "%96,%97,%98,%99,%100,%101,%102,%103"
#define SIMT_SUMS_104 \
  SIMT_SUMS_96, "+r"(d[96]), "+r"(d[97]), "+r"(d[98]), "+r"(d[99]), "+r"(d[100]), "+r"(d[101]), "+r"(d[102]), "+r"(d[103])
#define SIMT_NAMES_112 \
  SIMT_NAMES_104       \
  ","                  \
  "%104,%105,%106,%107,%108,%109,%110,%111"
#define SIMT_SUMS_112 \
  SIMT_SUMS_104, "+r"(d[104]), "+r"(d[105]), "+r"(d[106]), "+r"(d[107]), "+r"(d[108]), "+r"(d[109]), "+r"(d[110]), "+r"(d[111])
#define SIMT_NAMES_120 \
  SIMT_NAMES_112       \
  ","                  \
  "%112,%113,%114,%115,%116,%117,%118,%119"
#define SIMT_SUMS_120 \
  SIMT_SUMS_112, "+r"(d[112]), "+r"(d[113]), "+r"(d[114]), "+r"(d[115]), "+r"(d[116]), "+r"(d[117]), "+r"(d[118]), "+r"(d[119])
#define SIMT_NAMES_128 \
  SIMT_NAMES_120       \
  ","                  \
  "%120,%121,%122,%123,%124,%125,%126,%127"
#define SIMT_SUMS_128 \
  SIMT_SUMS_120, "+r"(d[120]), "+r"(d[121]), "+r"(d[122]), "+r"(d[123]), "+r"(d[124]), "+r"(d[125]), "+r"(d[126]), "+r"(d[127])
#define SIMT_NAMES_4 "%0,%1,%2,%3"
#define SIMT_SUMS_4 "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
#define SIMT_NAMES_12 SIMT_NAMES_8 ",%8,%9,%10,%11"
#define SIMT_SUMS_12 SIMT_SUMS_8, "+r"(d[8]), "+r"(d[9]), "+r"(d[10]), "+r"(d[11])
#define SIMT_WGMMA_OF(A, B, TYPES, N, R, O0, O1, O2, O3, O4, O5)                                                  \
  SIMT_DEVICE void wgmma(A, B, i32(&d)[R], u64 a, u64 b, bool accumulate) {                                       \
    asm volatile("{.reg .pred p; setp.ne.b32 p, " O2 ", 0; wgmma.mma_async.sync.aligned.m64n" #N "k32.s32." TYPES \
                 " {" SIMT_NAMES_##R "}, " O0 ", " O1 ", p;}"                                                     \
                 : SIMT_SUMS_##R                                                                                  \
                 : "l"(a), "l"(b), "r"(u32(accumulate)));                                                         \
  }                                                                                                               \
  SIMT_DEVICE void wgmma(A, B, i32(&d)[R], const u32(&a)[4], u64 b, bool accumulate) {                            \
    asm volatile("{.reg .pred p; setp.ne.b32 p, " O5 ", 0; wgmma.mma_async.sync.aligned.m64n" #N "k32.s32." TYPES \
                 " {" SIMT_NAMES_##R "}, {" O0 "," O1 "," O2 "," O3 "}, " O4 ", p;}"                              \
                 : SIMT_SUMS_##R                                                                                  \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(u32(accumulate)));                     \
  }
#define SIMT_WGMMA(N, R, O0, O1, O2, O3, O4, O5)               \
  SIMT_WGMMA_OF(S8, S8, "s8.s8", N, R, O0, O1, O2, O3, O4, O5) \
  SIMT_WGMMA_OF(S8, U8, "s8.u8", N, R, O0, O1, O2, O3, O4, O5) \
  SIMT_WGMMA_OF(U8, S8, "u8.s8", N, R, O0, O1, O2, O3, O4, O5) \
  SIMT_WGMMA_OF(U8, U8, "u8.u8", N, R, O0, O1, O2, O3, O4, O5)
SIMT_WGMMA(8, 4, "%4", "%5", "%6", "%7", "%8", "%9")
SIMT_WGMMA(24, 12, "%12", "%13", "%14", "%15", "%16", "%17")
SIMT_WGMMA(16, 8, "%8", "%9", "%10", "%11", "%12", "%13")
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
#undef SIMT_WGMMA_OF
#undef SIMT_NAMES_4
#undef SIMT_SUMS_4
#undef SIMT_NAMES_12
#undef SIMT_SUMS_12
#undef SIMT_NAMES_8
#undef SIMT_SUMS_8
#undef SIMT_NAMES_16
#undef SIMT_SUMS_16
#undef SIMT_NAMES_24
#undef SIMT_SUMS_24
#undef SIMT_NAMES_32
#undef SIMT_SUMS_32
#undef SIMT_NAMES_40
#undef SIMT_SUMS_40
#undef SIMT_NAMES_48
#undef SIMT_SUMS_48
#undef SIMT_NAMES_56
#undef SIMT_SUMS_56
#undef SIMT_NAMES_64
#undef SIMT_SUMS_64
#undef SIMT_NAMES_72
#undef SIMT_SUMS_72
#undef SIMT_NAMES_80
#undef SIMT_SUMS_80
#undef SIMT_NAMES_88
#undef SIMT_SUMS_88
#undef SIMT_NAMES_96
#undef SIMT_SUMS_96
#undef SIMT_NAMES_104
#undef SIMT_SUMS_104
#undef SIMT_NAMES_112
#undef SIMT_SUMS_112
#undef SIMT_NAMES_120
#undef SIMT_SUMS_120
#undef SIMT_NAMES_128
#undef SIMT_SUMS_128

}  // namespace simt::inline SIMT_TARGET
