// wgmma of 16-bit floats, twice, as in primitives.cu: ours and CuTe's, every N, A from shared memory and from registers.
// Descriptors and the predicate are parameters, so that both compile to the same registers and an exchange of two shows.
#include <cute/arch/mma_sm90_gmma.hpp>
#include <cute/arch/mma_sm90_gmma_ext.hpp>

#include <utility>

#include <simt/simt.cuh>

using simt::u32;
using simt::u64;

namespace {

struct Operands {
  float* sums;
  const u32* fragments;
  u64 a, b;  // descriptors
  u32 accumulate;
};

template <int kN>
struct Accumulators {
  float d[kN / 2];
  __device__ explicit Accumulators(const Operands& o) {
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) d[i] = o.sums[i * 128 + threadIdx.x];
  }
  __device__ void store(const Operands& o) const {
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) o.sums[i * 128 + threadIdx.x] = d[i];
  }
};

struct Fragment {
  u32 a[4];
  __device__ explicit Fragment(const Operands& o) {
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = o.fragments[i * 128 + threadIdx.x];
  }
};

template <class T, int kN, bool kFromRegisters>
__device__ void ours(const Operands& o) {
  Accumulators<kN> sums(o);
  if constexpr (kFromRegisters) {
    const Fragment fragment(o);
    simt::wgmma_fence();
    simt::wgmma(T{}, T{}, sums.d, fragment.a, o.b, o.accumulate);
  } else {
    simt::wgmma_fence();
    simt::wgmma(T{}, T{}, sums.d, o.a, o.b, o.accumulate);
  }
  simt::wgmma_commit();
  simt::wgmma_wait<0>(sums.d);
  sums.store(o);
}

template <class Mma, int kN, class... Left, std::size_t... kIndex>
__device__ void cute_fma(const Operands& o, float (&d)[kN], std::index_sequence<kIndex...>, const Left&... left) {
  Mma::fma(left..., o.b, d[kIndex]..., o.accumulate ? cute::SM90::GMMA::ScaleOut::One : cute::SM90::GMMA::ScaleOut::Zero);
}
template <class Mma, int kN, bool kFromRegisters>
__device__ void theirs(const Operands& o) {
  Accumulators<kN> sums(o);
  constexpr auto kAll = std::make_index_sequence<kN / 2>{};
  if constexpr (kFromRegisters) {
    const Fragment fragment(o);
    cute::warpgroup_arrive();
    cute_fma<Mma>(o, sums.d, kAll, fragment.a[0], fragment.a[1], fragment.a[2], fragment.a[3]);
  } else {
    cute::warpgroup_arrive();
    cute_fma<Mma>(o, sums.d, kAll, o.a);
  }
  cute::warpgroup_commit_batch();
  cute::warpgroup_wait<0>();
#pragma unroll
  for (float& sum : sums.d) cute::warpgroup_fence_operand(sum);
  sums.store(o);
}

}  // namespace

#define KERNEL(name) extern "C" __global__ void __launch_bounds__(128, 1) name(const __grid_constant__ Operands o)
#define WGMMA_OF(N, T, FROM, kFromRegisters)                                              \
  KERNEL(ours_n##N##_##T##_##FROM) { ours<simt::T, N, kFromRegisters>(o); }               \
  KERNEL(cute_n##N##_##T##_##FROM) {                                                      \
    using namespace cute::SM90::GMMA;                                                     \
    theirs<MMA_64x##N##x16_F32##T##T##_##FROM<Major::K, Major::K>, N, kFromRegisters>(o); \
  }
#define WGMMA(N)               \
  WGMMA_OF(N, F16, SS, false)  \
  WGMMA_OF(N, F16, RS, true)   \
  WGMMA_OF(N, BF16, SS, false) \
  WGMMA_OF(N, BF16, RS, true)
WGMMA(8)
WGMMA(16)
WGMMA(24)
WGMMA(32)
WGMMA(40)
WGMMA(48)
WGMMA(56)
WGMMA(64)
WGMMA(72)
WGMMA(80)
WGMMA(88)
WGMMA(96)
WGMMA(104)
WGMMA(112)
WGMMA(120)
WGMMA(128)
WGMMA(136)
WGMMA(144)
WGMMA(152)
WGMMA(160)
WGMMA(168)
WGMMA(176)
WGMMA(184)
WGMMA(192)
WGMMA(200)
WGMMA(208)
WGMMA(216)
WGMMA(224)
WGMMA(232)
WGMMA(240)
WGMMA(248)
WGMMA(256)
