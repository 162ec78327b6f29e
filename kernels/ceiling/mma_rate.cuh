// Peak rate of mma.sync: every warp multiplies two fragments of A by four of B into eight accumulators of its own, again and
// again, all in registers. 8 warps an SM, so 16 independent instructions wait at each of its four tensor cores.
//
// Operands are random: zeros draw less power and run faster. Of floats every second round multiplies by -A, so that
// accumulators stay where they started instead of running into infinity, whose multiplication would be just as easy as that of
// zeros.
#pragma once
#include <ceiling/rate_clock.cuh>

namespace immabench::inline SIMT_TARGET {

// One instruction: D += A B^T on so many 32-bit registers a thread. `kSigns` are the sign bits of a word of A, 0 for integers;
// kCompiled says whether this architecture's code can have it.
#define IMMABENCH_MMA(Name, TEXT, CAPABILITY, TYPE, ACCUMULATOR, K, SIGNS, D, A, B, COMPILED) \
  struct Name {                                                                               \
    static constexpr const char *kName = TEXT, *kCapability = CAPABILITY;                     \
    static constexpr const char *kOperandType = TYPE, *kAccumulator = ACCUMULATOR;            \
    static constexpr int kOperations = 2 * 16 * 8 * K, kD = D, kA = A, kB = B;                \
    static constexpr u32 kSigns = SIGNS;                                                      \
    static constexpr bool kCompiled = COMPILED;                                               \
    static SIMT_DEVICE void multiply(i32 (&d)[D], const u32 (&a)[A], const u32 (&b)[B]);      \
  };                                                                                          \
  SIMT_DEVICE void Name::multiply(i32(&d)[D], const u32(&a)[A], const u32(&b)[B])
#define IMMABENCH_MMA_4_4_2(SHAPE_AND_TYPES)                                                       \
  asm("mma.sync.aligned." SHAPE_AND_TYPES " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                                             \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

// Not on sm_90: there ptxas writes it as conversions, HMMA and additions, and merges what rounds have in common.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1000)
#define IMMABENCH_FP8_MMA 1
#else
#define IMMABENCH_FP8_MMA 0
#endif

namespace mma_kinds {

IMMABENCH_MMA(S8K32, "mma.m16n8k32.s8", "mma.m16n8k32.s8", "s8", "s32", 32, 0, 4, 4, 2, true) {
  simt::mma(simt::S8{}, simt::S8{}, d, a, b);
}
IMMABENCH_MMA(S8K16, "mma.m16n8k16.s8", "mma.m16n8k16.s8", "s8", "s32", 16, 0, 4, 2, 1, true) {
  simt::mma(simt::S8{}, simt::S8{}, d, a, b);
}
IMMABENCH_MMA(S4K64, "mma.m16n8k64.s4", "mma.m16n8k64.s4", "s4", "s32", 64, 0, 4, 4, 2, true) {
  simt::mma(simt::S4{}, simt::S4{}, d, a, b);
}
IMMABENCH_MMA(B1K256, "mma.m16n8k256.b1.and.popc", "mma.m16n8k256.b1.and.popc", "b1", "s32", 256, 0, 4, 4, 2, true) {
  simt::mma_b1<simt::BitOperation::kAnd>(d, a, b);
}
IMMABENCH_MMA(F16, "mma.m16n8k16.f16", "mma.m16n8k16.f16", "f16", "f32", 16, 0x80008000u, 4, 4, 2, true) {
  IMMABENCH_MMA_4_4_2("m16n8k16.row.col.f32.f16.f16.f32");
}
IMMABENCH_MMA(F16F16, "mma.m16n8k16.f16.f16", "mma.m16n8k16.f16.f16", "f16", "f16", 16, 0x80008000u, 2, 4, 2, true) {
  asm("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%0,%1};"
      : "+r"(d[0]), "+r"(d[1])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
IMMABENCH_MMA(BF16, "mma.m16n8k16.bf16", "mma.m16n8k16.bf16", "bf16", "f32", 16, 0x80008000u, 4, 4, 2, true) {
  IMMABENCH_MMA_4_4_2("m16n8k16.row.col.f32.bf16.bf16.f32");
}
IMMABENCH_MMA(TF32, "mma.m16n8k8.tf32", "mma.m16n8k8.tf32", "tf32", "f32", 8, 0x80000000u, 4, 4, 2, true) {
  IMMABENCH_MMA_4_4_2("m16n8k8.row.col.f32.tf32.tf32.f32");
}
IMMABENCH_MMA(E4M3, "mma.m16n8k32.e4m3", "mma.m16n8k32.e4m3", "e4m3", "f32", 32, 0x80808080u, 4, 4, 2, IMMABENCH_FP8_MMA) {
#if IMMABENCH_FP8_MMA
  IMMABENCH_MMA_4_4_2("m16n8k32.row.col.f32.e4m3.e4m3.f32");
#endif
}

}  // namespace mma_kinds
#undef IMMABENCH_MMA
#undef IMMABENCH_MMA_4_4_2
#undef IMMABENCH_FP8_MMA

constexpr int kRows = 2, kColumns = 4;  // fragments of A, of B
constexpr int kRounds = 4;              // times all of them are multiplied in one iteration

template <class Kind>
struct Fragments {
  i32 d[kRows][kColumns][Kind::kD] = {};
  u32 a[kRows][Kind::kA], negated[kRows][Kind::kA], b[kColumns][Kind::kB];

  SIMT_DEVICE void load(const RateParameters& p) {
    int word = 0;
    SIMT_UNROLL
    for (auto& row : a) {
      SIMT_UNROLL
      for (u32& value : row) value = operand_word(p, word++);
    }
    SIMT_UNROLL
    for (auto& column : b) {
      SIMT_UNROLL
      for (u32& value : column) value = operand_word(p, word++);
    }
    SIMT_UNROLL
    for (int i = 0; i < kRows; ++i) {
      SIMT_UNROLL
      for (int j = 0; j < Kind::kA; ++j) negated[i][j] = a[i][j] ^ Kind::kSigns;
    }
  }
  SIMT_DEVICE void multiply(const u32 (&with)[kRows][Kind::kA]) {
    SIMT_UNROLL
    for (int i = 0; i < kRows; ++i) {
      SIMT_UNROLL
      for (int j = 0; j < kColumns; ++j) Kind::multiply(d[i][j], with[i], b[j]);
    }
  }
  SIMT_DEVICE u32 folded() const {
    u32 sum = 0;
    SIMT_UNROLL
    for (const auto& row : d) {
      SIMT_UNROLL
      for (const auto& tile : row) {
        SIMT_UNROLL
        for (const i32 value : tile) sum ^= u32(value);
      }
    }
    return sum;
  }
};

template <class Kind>
SIMT_KERNEL(kRateThreads)
mma_rate_kernel(SIMT_PARAMETERS RateParameters p) {
  if constexpr (!Kind::kCompiled) {
    report_absent(p);
  } else {
    Fragments<Kind> fragments;
    fragments.load(p);
    BlockClock clock;
    clock.start();
#pragma unroll 1
    for (int i = 0; i < p.iterations; ++i) {
      SIMT_UNROLL
      for (int round = 0; round < kRounds; ++round) fragments.multiply(round % 2 ? fragments.negated : fragments.a);
    }
    clock.stop(p);
    store_folded(p, fragments.folded());
  }
}

template <class Kind>
constexpr int instructions_of_mma() {
  return kRateThreads / simt::kWarpSize * kRows * kColumns * kRounds;
}

}  // namespace immabench::inline SIMT_TARGET
