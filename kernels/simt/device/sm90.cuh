// Clusters, mbarriers and bulk copies of sm_90a.
#pragma once
#include <cuda.h>
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

// A tensor map as the driver encodes it. Kernels take it as a parameter (SIMT_PARAMETERS) and hand its address on.
struct TensorMap {
  CUtensorMap encoded;
};

// ---- clusters: blocks that run together and reach each other's shared memory
SIMT_DEVICE u32 cluster_rank() {
  u32 rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
SIMT_DEVICE u32 cluster_size() {
  u32 size;
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
}
// The address, among those of the cluster, of what lies at `address` in the shared memory of block `rank`.
SIMT_DEVICE u32 map_shared_rank(u32 address, u32 rank) {
  u32 mapped;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(rank));
  return mapped;
}
// The cluster barrier: arriving releases what the threads did, waiting acquires what all others did before arriving.
SIMT_DEVICE void cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
SIMT_DEVICE void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

// Shared memory of any block of the cluster, by a mapped address: 4, 8 or 16 bytes.
template <class T>
SIMT_DEVICE T load_shared_cluster(u32 address) {
  Words<sizeof(T)> r;
  if constexpr (sizeof(T) == 4) {
    asm volatile("ld.shared::cluster.b32 %0, [%1];" : "=r"(r.w[0]) : "r"(address) : "memory");
  } else if constexpr (sizeof(T) == 8) {
    asm volatile("ld.shared::cluster.v2.b32 {%0,%1}, [%2];" : "=r"(r.w[0]), "=r"(r.w[1]) : "r"(address) : "memory");
  } else {
    static_assert(sizeof(T) == 16, "a shared access moves 4, 8 or 16 bytes");
    asm volatile("ld.shared::cluster.v4.b32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r.w[0]), "=r"(r.w[1]), "=r"(r.w[2]), "=r"(r.w[3])
                 : "r"(address)
                 : "memory");
  }
  return from_words<T>(r);
}
template <class T>
SIMT_DEVICE void store_shared_cluster(u32 address, T value) {
  const auto r = to_words(value);
  if constexpr (sizeof(T) == 4) {
    asm volatile("st.shared::cluster.b32 [%0], %1;" ::"r"(address), "r"(r.w[0]) : "memory");
  } else if constexpr (sizeof(T) == 8) {
    asm volatile("st.shared::cluster.v2.b32 [%0], {%1,%2};" ::"r"(address), "r"(r.w[0]), "r"(r.w[1]) : "memory");
  } else {
    static_assert(sizeof(T) == 16, "a shared access moves 4, 8 or 16 bytes");
    asm volatile("st.shared::cluster.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(address), "r"(r.w[0]), "r"(r.w[1]), "r"(r.w[2]),
                 "r"(r.w[3])
                 : "memory");
  }
}

// ---- mbarriers: 8 bytes of shared memory that count arrivals and announced bytes, phase after phase
SIMT_DEVICE void mbarrier_init(u32 mbarrier, u32 count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(mbarrier), "r"(count) : "memory");
}
SIMT_DEVICE void mbarrier_invalidate(u32 mbarrier) {
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(mbarrier) : "memory");
}
// Makes what this thread initialised visible to the asynchronous proxy and, past a barrier, to other blocks of the cluster.
SIMT_DEVICE void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
SIMT_DEVICE void mbarrier_arrive(u32 mbarrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(mbarrier) : "memory");
}
// Announces bytes that bulk loads will bring in this phase, and arrives.
SIMT_DEVICE void mbarrier_arrive_expect_tx(u32 mbarrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(mbarrier), "r"(bytes) : "memory");
}
SIMT_DEVICE void mbarrier_expect_tx(u32 mbarrier, u32 bytes) {
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(mbarrier), "r"(bytes) : "memory");
}
// At an mbarrier of any block of the cluster, by a mapped address: says that this thread has read what the other block may now
// overwrite. It releases within its own block only, as waiting acquires only there: ordinary stores into other blocks take the
// cluster barrier. A release at the scope of the cluster would wait for all stores to global memory (MEMBAR.ALL.GPU).
SIMT_DEVICE void mbarrier_arrive_cluster(u32 mbarrier) {
  asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(mbarrier) : "memory");
}
// Waits until the phase of that parity is complete; an object fresh from initialisation has completed parity 1.
SIMT_DEVICE void mbarrier_wait(u32 mbarrier, u32 parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(mbarrier),
      "r"(parity)
      : "memory");
}

// ---- proxies and registers
// What the warp's threads wrote to shared memory so far, bulk copies and wgmma may read, once they are ordered after this.
SIMT_DEVICE void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// Warpgroups give registers back and take them, in all of their 128 threads.
template <int kRegisters>
SIMT_DEVICE void increase_max_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
SIMT_DEVICE void decrease_max_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// ---- bulk copies: one thread asks, the Tensor Memory Accelerator moves
// `bytes` bytes (a multiple of 16) from global to shared memory; they are counted off at `mbarrier`.
template <class T>
SIMT_DEVICE void bulk_load(u32 destination, Global<T> source, u32 bytes, u32 mbarrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(destination),
               "l"(source.address), "r"(bytes), "r"(mbarrier)
               : "memory");
}
template <class T>
SIMT_DEVICE void bulk_store(Global<T> destination, u32 source, u32 bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(destination.address), "r"(source), "r"(bytes)
               : "memory");
}
SIMT_DEVICE u64 address_of(const TensorMap& map) { return reinterpret_cast<u64>(&map); }
SIMT_DEVICE void prefetch_tensor_map(const TensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(address_of(map)) : "memory");
}

// A box of a tensor from position `at`, dimension 0 first, into this block; or into every block of the cluster whose bit is set
// in `ranks`, at the same address and mbarrier in each.
#define SIMT_TENSOR_COPIES(RANK, AT2, AT1, SOURCE, MBARRIER, RANKS, ...)                                                      \
  SIMT_DEVICE void tensor_load(u32 destination, const TensorMap& map, const i32(&at)[RANK], u32 mbarrier) {                   \
    asm volatile("cp.async.bulk.tensor." #RANK "d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {" AT2       \
                 "}], [" MBARRIER "];" ::"r"(destination),                                                                    \
                 "l"(address_of(map)), __VA_ARGS__, "r"(mbarrier)                                                             \
                 : "memory");                                                                                                 \
  }                                                                                                                           \
  SIMT_DEVICE void tensor_load_multicast(u32 destination, const TensorMap& map, const i32(&at)[RANK], u32 mbarrier,           \
                                         u16 ranks) {                                                                         \
    asm volatile("cp.async.bulk.tensor." #RANK                                                                                \
                 "d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {" AT2 "}], [" MBARRIER \
                 "], " RANKS ";" ::"r"(destination),                                                                          \
                 "l"(address_of(map)), __VA_ARGS__, "r"(mbarrier), "h"(ranks)                                                 \
                 : "memory");                                                                                                 \
  }                                                                                                                           \
  SIMT_DEVICE void tensor_store(const TensorMap& map, const i32(&at)[RANK], u32 source) {                                     \
    asm volatile("cp.async.bulk.tensor." #RANK "d.global.shared::cta.bulk_group [%0, {" AT1 "}], [" SOURCE                    \
                 "];" ::"l"(address_of(map)),                                                                                 \
                 __VA_ARGS__, "r"(source)                                                                                     \
                 : "memory");                                                                                                 \
  }
SIMT_TENSOR_COPIES(1, "%2", "%1", "%2", "%3", "%4", "r"(at[0]))
SIMT_TENSOR_COPIES(2, "%2,%3", "%1,%2", "%3", "%4", "%5", "r"(at[0]), "r"(at[1]))
SIMT_TENSOR_COPIES(3, "%2,%3,%4", "%1,%2,%3", "%4", "%5", "%6", "r"(at[0]), "r"(at[1]), "r"(at[2]))
SIMT_TENSOR_COPIES(4, "%2,%3,%4,%5", "%1,%2,%3,%4", "%5", "%6", "%7", "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]))
SIMT_TENSOR_COPIES(5, "%2,%3,%4,%5,%6", "%1,%2,%3,%4,%5", "%6", "%7", "%8", "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]),
                   "r"(at[4]))
#undef SIMT_TENSOR_COPIES

// A box of pixels for a convolution: `at` is the first pixel (channel, W, H, D, image), `offset` the filter tap (W, H, D).
#define SIMT_IM2COL_LOAD(RANK, AT, MBARRIER, OFFSET, OFFSETS, ...)                                                            \
  SIMT_DEVICE void tensor_load_im2col(u32 destination, const TensorMap& map, const i32(&at)[RANK],                            \
                                      const u16(&offset)[RANK - 2], u32 mbarrier) {                                           \
    asm volatile("cp.async.bulk.tensor." #RANK "d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {" AT \
                 "}], [" MBARRIER "], {" OFFSET "};" ::"r"(destination),                                                      \
                 "l"(address_of(map)), __VA_ARGS__, "r"(mbarrier), OFFSETS                                                    \
                 : "memory");                                                                                                 \
  }
#define SIMT_OFFSETS_1 "h"(offset[0])
#define SIMT_OFFSETS_2 SIMT_OFFSETS_1, "h"(offset[1])
#define SIMT_OFFSETS_3 SIMT_OFFSETS_2, "h"(offset[2])
SIMT_IM2COL_LOAD(3, "%2,%3,%4", "%5", "%6", SIMT_OFFSETS_1, "r"(at[0]), "r"(at[1]), "r"(at[2]))
SIMT_IM2COL_LOAD(4, "%2,%3,%4,%5", "%6", "%7,%8", SIMT_OFFSETS_2, "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]))
SIMT_IM2COL_LOAD(5, "%2,%3,%4,%5,%6", "%7", "%8,%9,%10", SIMT_OFFSETS_3, "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]),
                 "r"(at[4]))
#undef SIMT_IM2COL_LOAD
#undef SIMT_OFFSETS_1
#undef SIMT_OFFSETS_2
#undef SIMT_OFFSETS_3

// Stores are committed in groups; at most kPending of this thread's newest groups are under way after a wait: not read from
// shared memory yet, or not written either.
SIMT_DEVICE void bulk_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
template <int kPending>
SIMT_DEVICE void bulk_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kPending) : "memory");
}
template <int kPending>
SIMT_DEVICE void bulk_wait() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace simt::inline SIMT_TARGET
