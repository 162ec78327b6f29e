// Every primitive of sm_90a that CuTe or CUTLASS has too, twice, as in primitives.cu. Operands are parameters, so that both
// compile to the same registers and an exchange of two of them shows. Neither has: loads and stores of a cluster's shared
// memory (ld.shared::cluster, st.shared::cluster; theirs are asynchronous or by generic addresses), the number of blocks of a
// cluster, and the wait for bulk stores to be written (cp.async.bulk.wait_group without .read).
#include <cute/arch/cluster_sm90.hpp>
#include <cute/arch/copy_sm90_desc.hpp>
#include <cute/arch/copy_sm90_tma.hpp>
#include <cute/arch/mma_sm90_gmma.hpp>
#include <cute/arch/mma_sm90_gmma_ext.hpp>
#include <cutlass/arch/barrier.h>
#include <cutlass/arch/reg_reconfig.h>

#include <simt/simt.cuh>

using simt::i32;
using simt::u16;
using simt::u32;
using simt::u64;

namespace {

struct Operands {
  const simt::TensorMap* map;
  u32* memory;
  void* source;
  u64 a, b;  // descriptors
  i32 at[5];
  u32 bytes, rank, parity;
  u16 offset[3], ranks;
};

// An mbarrier, and a kilobyte further on room for data.
__device__ u64* mbarrier() { return reinterpret_cast<u64*>(simt::dynamic_shared_memory); }
__device__ void* data() { return simt::dynamic_shared_memory + 1024; }
__device__ u32 mbarrier_address() { return simt::shared_base(); }
__device__ u32 data_address() { return simt::shared_base() + 1024; }

// CuTe states an L2 policy with every load of a box; the test leaves it out of the comparison.
constexpr u64 kPolicy = static_cast<u64>(cute::TMA::CacheHintSm90::EVICT_NORMAL);

using ClusterBarrier = cutlass::arch::ClusterBarrier;
using TransactionBarrier = cutlass::arch::ClusterTransactionBarrier;

}  // namespace

#define OURS(name) extern "C" __global__ void __launch_bounds__(128, 1) ours_##name(const __grid_constant__ Operands o)
#define CUTE(name) extern "C" __global__ void __launch_bounds__(128, 1) cute_##name(const __grid_constant__ Operands o)

// ---- boxes of tensors
#define AT_1 o.at[0]
#define AT_2 AT_1, o.at[1]
#define AT_3 AT_2, o.at[2]
#define AT_4 AT_3, o.at[3]
#define AT_5 AT_4, o.at[4]
#define OFFSETS_3 o.offset[0]
#define OFFSETS_4 OFFSETS_3, o.offset[1]
#define OFFSETS_5 OFFSETS_4, o.offset[2]

#define TENSOR_COPIES(RANK)                                                                                           \
  OURS(tensor_load_##RANK##d) { simt::tensor_load(data_address(), *o.map, {AT_##RANK}, mbarrier_address()); }         \
  CUTE(tensor_load_##RANK##d) { cute::SM90_TMA_LOAD_##RANK##D::copy(o.map, mbarrier(), kPolicy, data(), AT_##RANK); } \
  OURS(tensor_load_multicast_##RANK##d) {                                                                             \
    simt::tensor_load_multicast(data_address(), *o.map, {AT_##RANK}, mbarrier_address(), o.ranks);                    \
  }                                                                                                                   \
  CUTE(tensor_load_multicast_##RANK##d) {                                                                             \
    cute::SM90_TMA_LOAD_MULTICAST_##RANK##D::copy(o.map, mbarrier(), o.ranks, kPolicy, data(), AT_##RANK);            \
  }                                                                                                                   \
  OURS(tensor_store_##RANK##d) { simt::tensor_store(*o.map, {AT_##RANK}, data_address()); }                           \
  CUTE(tensor_store_##RANK##d) { cute::SM90_TMA_STORE_##RANK##D::copy(o.map, data(), AT_##RANK); }
TENSOR_COPIES(1)
TENSOR_COPIES(2)
TENSOR_COPIES(3)
TENSOR_COPIES(4)
TENSOR_COPIES(5)
// The planted mistake: the comparison must see coordinates exchanged.
extern "C" __global__ void __launch_bounds__(128, 1) exchanged_tensor_load_2d(const __grid_constant__ Operands o) {
  simt::tensor_load(data_address(), *o.map, {o.at[1], o.at[0]}, mbarrier_address());
}

#define TENSOR_LOAD_IM2COL(RANK)                                                                         \
  OURS(tensor_load_im2col_##RANK##d) {                                                                   \
    simt::tensor_load_im2col(data_address(), *o.map, {AT_##RANK}, {OFFSETS_##RANK}, mbarrier_address()); \
  }                                                                                                      \
  CUTE(tensor_load_im2col_##RANK##d) {                                                                   \
    cute::SM90_TMA_LOAD_IM2COL_##RANK##D::copy(o.map, mbarrier(), data(), AT_##RANK, OFFSETS_##RANK);    \
  }
TENSOR_LOAD_IM2COL(3)
TENSOR_LOAD_IM2COL(4)
TENSOR_LOAD_IM2COL(5)

OURS(prefetch_tensor_map) { simt::prefetch_tensor_map(*o.map); }
CUTE(prefetch_tensor_map) { cute::prefetch_tma_descriptor(reinterpret_cast<const cute::TmaDescriptor*>(o.map)); }

// ---- plain bulk copies, groups of stores
OURS(bulk_load) { simt::bulk_load(data_address(), simt::Global<char>{u64(o.source)}, o.bytes, mbarrier_address()); }
CUTE(bulk_load) { cute::SM90_BULK_COPY_G2S::copy(o.source, mbarrier(), data(), i32(o.bytes)); }
OURS(bulk_store) {
  simt::bulk_store(simt::Global<char>{u64(o.source)}, data_address(), o.bytes);
  simt::bulk_commit();
  simt::bulk_wait_read<1>();
}
CUTE(bulk_store) {
  cute::SM90_BULK_COPY_S2G::copy(data(), o.source, i32(o.bytes));
  cute::tma_store_arrive();
  cute::tma_store_wait<1>();
}

// ---- mbarriers
OURS(mbarrier_init) { simt::mbarrier_init(mbarrier_address(), o.bytes); }
CUTE(mbarrier_init) { ClusterBarrier::init(mbarrier(), o.bytes); }
OURS(mbarrier_invalidate) { simt::mbarrier_invalidate(mbarrier_address()); }
CUTE(mbarrier_invalidate) { ClusterBarrier::invalidate(mbarrier()); }
OURS(mbarrier_arrive) { simt::mbarrier_arrive(mbarrier_address()); }
CUTE(mbarrier_arrive) { ClusterBarrier::arrive(mbarrier()); }
OURS(mbarrier_arrive_cluster) { simt::mbarrier_arrive_cluster(simt::map_shared_rank(mbarrier_address(), o.rank)); }
CUTE(mbarrier_arrive_cluster) { ClusterBarrier::arrive(mbarrier(), o.rank, 1); }
OURS(mbarrier_arrive_expect_tx) { simt::mbarrier_arrive_expect_tx(mbarrier_address(), o.bytes); }
CUTE(mbarrier_arrive_expect_tx) { TransactionBarrier::arrive_and_expect_tx(mbarrier(), o.bytes); }
OURS(mbarrier_expect_tx) { simt::mbarrier_expect_tx(mbarrier_address(), o.bytes); }
CUTE(mbarrier_expect_tx) { TransactionBarrier::expect_transaction(mbarrier(), o.bytes); }
// Theirs with a time limit is another loop around the same instruction; try_wait is ours without the loop.
OURS(mbarrier_wait) { simt::mbarrier_wait(mbarrier_address(), o.parity); }
CUTE(mbarrier_wait) {
  while (!ClusterBarrier::try_wait(mbarrier(), o.parity)) {
  }
}
OURS(fence_mbarrier_init) { simt::fence_mbarrier_init(); }
CUTE(fence_mbarrier_init) { cutlass::arch::fence_barrier_init(); }

// ---- clusters
OURS(cluster_rank) { o.memory[0] = simt::cluster_rank(); }
CUTE(cluster_rank) { o.memory[0] = cute::block_rank_in_cluster(); }
OURS(map_shared_rank) { o.memory[0] = simt::map_shared_rank(data_address(), o.rank); }
CUTE(map_shared_rank) { o.memory[0] = cute::set_block_rank(data_address(), o.rank); }
OURS(cluster_barrier) {
  simt::cluster_arrive();
  simt::cluster_wait();
}
CUTE(cluster_barrier) {
  cute::cluster_arrive();
  cute::cluster_wait();
}

// ---- proxies and registers
OURS(fence_proxy_async) { simt::fence_proxy_async(); }
CUTE(fence_proxy_async) { cutlass::arch::fence_view_async_shared(); }
OURS(increase_max_registers) { simt::increase_max_registers<232>(); }
CUTE(increase_max_registers) { cutlass::arch::warpgroup_reg_alloc<232>(); }
OURS(decrease_max_registers) { simt::decrease_max_registers<40>(); }
CUTE(decrease_max_registers) { cutlass::arch::warpgroup_reg_dealloc<40>(); }

// ---- wgmma, with its fence, commit and wait
template <int kN, bool kFromRegisters>
struct WgmmaRegisters {
  u32 d[kN / 2], a[4];
  __device__ explicit WgmmaRegisters(const u32* memory) {
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) d[i] = memory[i * 128 + threadIdx.x];
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = kFromRegisters ? memory[(kN / 2 + i) * 128 + threadIdx.x] : 0;
  }
  __device__ void store(u32* memory) const {
#pragma unroll
    for (int i = 0; i < kN / 2; ++i) memory[i * 128 + threadIdx.x] = d[i];
  }
};
template <class A, class B, int kN, bool kFromRegisters>
__device__ void our_wgmma(const Operands& o) {
  WgmmaRegisters<kN, kFromRegisters> f(o.memory);
  i32(&d)[kN / 2] = reinterpret_cast<i32(&)[kN / 2]>(f.d);
  simt::wgmma_fence();
  if constexpr (kFromRegisters)
    simt::wgmma(A{}, B{}, d, f.a, o.b, o.parity);
  else
    simt::wgmma(A{}, B{}, d, o.a, o.b, o.parity);
  simt::wgmma_commit();
  simt::wgmma_wait<0>(d);
  f.store(o.memory);
}
template <class Mma, class... Left, std::size_t... kIndex, std::size_t kCount>
__device__ void cute_fma(const Operands& o, u32 (&d)[kCount], std::index_sequence<kIndex...>, const Left&... left) {
  Mma::fma(left..., o.b, d[kIndex]..., o.parity ? cute::SM90::GMMA::ScaleOut::One : cute::SM90::GMMA::ScaleOut::Zero);
}
template <class Mma, int kN, bool kFromRegisters>
__device__ void cute_wgmma(const Operands& o) {
  WgmmaRegisters<kN, kFromRegisters> f(o.memory);
  cute::warpgroup_arrive();
  if constexpr (kFromRegisters)
    cute_fma<Mma>(o, f.d, std::make_index_sequence<kN / 2>{}, f.a[0], f.a[1], f.a[2], f.a[3]);
  else
    cute_fma<Mma>(o, f.d, std::make_index_sequence<kN / 2>{}, o.a);
  cute::warpgroup_commit_batch();
  cute::warpgroup_wait<0>();
#pragma unroll
  for (u32& sum : f.d) cute::warpgroup_fence_operand(sum);
  f.store(o.memory);
}

#define WGMMA_FROM(N, A, B, FROM, kFromRegisters)                                                \
  OURS(wgmma_n##N##_##A##_##B##_##FROM) { our_wgmma<simt::A, simt::B, N, kFromRegisters>(o); }   \
  CUTE(wgmma_n##N##_##A##_##B##_##FROM) {                                                        \
    cute_wgmma<cute::SM90::GMMA::MMA_64x##N##x32_S32##A##B##_##FROM##_TN, N, kFromRegisters>(o); \
  }
#define WGMMA(N, A, B)           \
  WGMMA_FROM(N, A, B, SS, false) \
  WGMMA_FROM(N, A, B, RS, true)
WGMMA(8, S8, S8)
WGMMA(16, S8, S8)
WGMMA(24, S8, S8)
WGMMA(32, S8, S8)
WGMMA(48, S8, S8)
WGMMA(64, S8, S8)
WGMMA(80, S8, S8)
WGMMA(96, S8, S8)
WGMMA(112, S8, S8)
WGMMA(128, S8, S8)
WGMMA(144, S8, S8)
WGMMA(160, S8, S8)
WGMMA(176, S8, S8)
WGMMA(192, S8, S8)
WGMMA(208, S8, S8)
WGMMA(224, S8, S8)
WGMMA(240, S8, S8)
WGMMA(256, S8, S8)
WGMMA(32, S8, U8)
WGMMA(32, U8, S8)
WGMMA(32, U8, U8)
WGMMA(240, S8, U8)
WGMMA(240, U8, S8)
WGMMA(240, U8, U8)
