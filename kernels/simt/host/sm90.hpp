// Clusters, mbarriers, bulk copies, warpgroup matrix instructions, emulated. See device/sm90.cuh for the meanings.
#pragma once
#include <array>
#include <cstring>

#include <simt/host/cluster.hpp>
#include <simt/host/memory.hpp>
#include <simt/host/tensor_map.hpp>
#include <simt/matrix_descriptor.hpp>

namespace simt::inline SIMT_TARGET {

// ---- clusters
inline u32 cluster_rank() { return host::current_block->rank(); }
inline u32 cluster_size() { return host::current_block->cluster().size(); }
inline u32 map_shared_rank(u32 address, u32 rank) { return (rank + 1) << host::Cluster::kRankShift | address; }

inline void cluster_arrive(SIMT_SITE) {
  host::Block& block = *host::current_block;
  block.collective(host::Collective::kClusterBarrier, 0, site, nullptr,
                   [&](host::Block::Warp& warp) { block.cluster().arrive(block, warp, site); });
}
inline void cluster_wait(SIMT_SITE) {
  host::Block& block = *host::current_block;
  block.collective(host::Collective::kClusterBarrier, 1, site, nullptr,
                   [&](host::Block::Warp& warp) { block.cluster().wait(block, warp, site); });
}

namespace detail {

// The block an address of the cluster belongs to; null, and a finding, where it is none.
inline host::Cluster::Place place_of(u32 address, const host::Site& site) {
  host::Block& block = *host::current_block;
  const auto place = block.cluster().resolve(address);
  if (!place.owner) block.add_hazard(host::HazardKind::kSharedOutOfBounds, "a rank the cluster does not have", site);
  return place;
}

}  // namespace detail

template <class T>
T load_shared_cluster(u32 address, SIMT_SITE) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "a shared access moves 4, 8 or 16 bytes");
  const auto place = detail::place_of(address, site);
  if (!place.owner || !host::current_block->access_peer(*place.owner, false, place.address, sizeof(T), site))
    return detail::poison<T>();
  T value;
  std::memcpy(&value, place.owner->shared().at(place.address), sizeof(T));
  return value;
}
template <class T>
void store_shared_cluster(u32 address, T value, SIMT_SITE) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "a shared access moves 4, 8 or 16 bytes");
  const auto place = detail::place_of(address, site);
  if (!place.owner || !host::current_block->access_peer(*place.owner, true, place.address, sizeof(T), site)) return;
  std::memcpy(place.owner->shared().at(place.address), &value, sizeof(T));
}

// ---- mbarriers
inline void mbarrier_init(u32 mbarrier, u32 count, SIMT_SITE) {
  host::current_block->mbarriers().initialise(mbarrier, count, site);
}
inline void mbarrier_invalidate(u32 mbarrier, SIMT_SITE) { host::current_block->mbarriers().invalidate(mbarrier, site); }
inline void fence_mbarrier_init() { host::current_block->mbarriers().publish(); }
inline void mbarrier_arrive(u32 mbarrier, SIMT_SITE) {
  host::Block& block = *host::current_block;
  block.mbarriers().arrive(block, mbarrier, 0, site);
}
inline void mbarrier_arrive_expect_tx(u32 mbarrier, u32 bytes, SIMT_SITE) {
  host::Block& block = *host::current_block;
  block.mbarriers().arrive(block, mbarrier, bytes, site);
}
inline void mbarrier_expect_tx(u32 mbarrier, u32 bytes, SIMT_SITE) {
  host::current_block->mbarriers().expect(mbarrier, bytes, site);
}
inline void mbarrier_arrive_cluster(u32 mbarrier, SIMT_SITE) {
  const auto place = detail::place_of(mbarrier, site);
  host::Block& block = *host::current_block;
  if (!place.owner) return;
  if (place.owner->finished()) {
    return block.add_hazard(host::HazardKind::kPeerExited, "an arrival at an mbarrier of a block that has returned", site);
  }
  place.owner->mbarriers().arrive(block, place.address, 0, site);
}
inline void mbarrier_wait(u32 mbarrier, u32 parity, SIMT_SITE) {
  host::current_block->mbarriers().wait(mbarrier, parity, site);
}

// ---- proxies and registers
inline void fence_proxy_async(SIMT_SITE) {
  host::current_block->collective(host::Collective::kProxyFence, 0, site, nullptr, [](host::Block::Warp& warp) {
    warp.known.fenced.join(warp.known.time);
    warp.known.time.advance(warp.agent);  // what comes later is not fenced; lanes are in no order for it
  });
}

namespace detail {

template <int kRegisters>
void set_max_registers(bool increase, const host::Site& site) {
  static_assert(kRegisters >= 24 && kRegisters <= 256 && kRegisters % 8 == 0, "setmaxnreg takes 24 to 256, in steps of 8");
  host::Block& block = *host::current_block;
  block.warpgroup_collective(host::Collective::kSetRegisters, kRegisters << 1 | u32(increase), site, nullptr,
                             [&](u32 warpgroup) { block.set_registers(warpgroup, kRegisters, increase, site); });
}

}  // namespace detail

template <int kRegisters>
void increase_max_registers(SIMT_SITE) {
  detail::set_max_registers<kRegisters>(true, site);
}
template <int kRegisters>
void decrease_max_registers(SIMT_SITE) {
  detail::set_max_registers<kRegisters>(false, site);
}

// ---- bulk copies
namespace detail {

template <int kRank>
host::BulkExtent box_of(const TensorMap& map, const i32 (&at)[kRank], const host::Site& site) {
  if (map.tensor.rank != kRank || invalid_reason(map.tensor)) {
    const char* reason = invalid_reason(map.tensor);
    host::current_block->abort(host::HazardKind::kLaunch, reason ? reason : "the tensor map has another rank", site);
  }
  // The swizzle exchanges chunks within its span; where shorter rows lie is not written anywhere.
  const u32 row_bytes = map.tensor.box[0] * u32(map.tensor.element_bytes);
  if (map.tensor.swizzle != TensorSwizzle::kNone && row_bytes != u32(swizzle_span(map.tensor.swizzle))) {
    host::current_block->abort(host::HazardKind::kLaunch, "a box with rows shorter than its swizzle's span is not modelled",
                               site);
  }
  host::BulkExtent box{.tensor = map.tensor, .bytes = map.tensor.box_bytes()};
  for (int i = 0; i < kRank; ++i) box.position.at[i] = at[i];
  return box;
}

inline void start_load(const host::BulkExtent& from, u32 destination, u32 mbarrier, u32 ranks, const host::Site& site) {
  host::Block& block = *host::current_block;
  block.cluster().bulk_loads().start(block, from, destination, mbarrier, ranks, site);
}
inline u32 own_rank() { return 1u << host::current_block->rank(); }

}  // namespace detail

template <class T>
void bulk_load(u32 destination, Global<T> source, u32 bytes, u32 mbarrier, SIMT_SITE) {
  detail::start_load({.address = source.address, .bytes = bytes}, destination, mbarrier, detail::own_rank(), site);
}
template <int kRank>
void tensor_load(u32 destination, const TensorMap& map, const i32 (&at)[kRank], u32 mbarrier, SIMT_SITE) {
  detail::start_load(detail::box_of(map, at, site), destination, mbarrier, detail::own_rank(), site);
}
template <int kRank>
void tensor_load_multicast(u32 destination, const TensorMap& map, const i32 (&at)[kRank], u32 mbarrier, u16 ranks, SIMT_SITE) {
  detail::start_load(detail::box_of(map, at, site), destination, mbarrier, ranks, site);
}
template <int kRank>
void tensor_load_im2col(u32 destination, const TensorMap& map, const i32 (&at)[kRank], const u16 (&offset)[kRank - 2],
                        u32 mbarrier, SIMT_SITE) {
  host::BulkExtent box = detail::box_of(map, at, site);
  if (!map.tensor.im2col) host::current_block->abort(host::HazardKind::kLaunch, "the tensor map is not one of im2col", site);
  for (int i = 0; i < kRank - 2; ++i) box.position.offset[i] = offset[i];
  detail::start_load(box, destination, mbarrier, detail::own_rank(), site);
}
template <int kRank>
void tensor_store(const TensorMap& map, const i32 (&at)[kRank], u32 source, SIMT_SITE) {
  host::Block& block = *host::current_block;
  block.bulk_stores().start(block, detail::box_of(map, at, site), source, site);
}
template <class T>
void bulk_store(Global<T> destination, u32 source, u32 bytes, SIMT_SITE) {
  host::Block& block = *host::current_block;
  block.bulk_stores().start(block, {.address = destination.address, .bytes = bytes}, source, site);
}
inline void bulk_commit() { host::current_block->bulk_stores().commit(); }
template <int kPending>
void bulk_wait_read() {
  host::current_block->bulk_stores().wait(*host::current_block, kPending);
}
template <int kPending>
void bulk_wait() {
  host::current_block->bulk_stores().wait(*host::current_block, kPending);
}
inline void prefetch_tensor_map(const TensorMap&) {}

// ---- wgmma
inline void wgmma_fence(SIMT_SITE) {
  host::Block& block = *host::current_block;
  block.warpgroup_collective(host::Collective::kWgmmaFence, 0, site, nullptr,
                             [&](u32 warpgroup) { block.wgmma_unit(warpgroup).fence(); });
}
template <class Sum, int kGroups, int kAccumulators>
void wgmma_fence(Sum (&)[kGroups][kAccumulators], SIMT_SITE) {
  wgmma_fence(site);
}
inline void wgmma_commit(SIMT_SITE) {
  host::Block& block = *host::current_block;
  block.warpgroup_collective(host::Collective::kWgmmaCommit, 0, site, nullptr,
                             [&](u32 warpgroup) { block.wgmma_unit(warpgroup).commit(); });
}

namespace detail {

// N of the two forms (PTX ISA, "wgmma.mma_async").
constexpr bool is_integer_wgmma_n(int n) { return n == 8 || n == 24 || (n % 16 == 0 && n >= 16 && n <= 256); }
constexpr bool is_float_wgmma_n(int n) { return n % 8 == 0 && n >= 8 && n <= 256; }

// `types` tells the operand types apart among threads that meet.
inline void wgmma(const host::WgmmaShape& shape, u32 types, host::WgmmaThread own, const host::Site& site) {
  const u32 parameter = u32(shape.n) << 8 | types << 1 | u32(shape.a_in_registers);
  host::Block& block = *host::current_block;
  block.warpgroup_collective(host::Collective::kWgmma, parameter, site, &own, [&](u32 warpgroup) {
    std::array<const host::WgmmaThread*, 128> threads;
    for (u32 i = 0; i < 128; ++i) {
      threads[i] = static_cast<host::WgmmaThread*>(block.warps()[4 * warpgroup + i / 32].argument[i % 32]);
    }
    block.wgmma_unit(warpgroup).issue(block, warpgroup, shape, threads, site);
  });
}

template <class A, class B, int kAccumulators>
void integer_wgmma(host::WgmmaThread own, const host::Site& site) {
  static_assert(A::kBits == 8 && B::kBits == 8, "the warpgroup's integer instructions take 8-bit operands");
  static_assert(is_integer_wgmma_n(2 * kAccumulators), "N is 8, 24, or a multiple of 16 up to 256");
  const host::IntegerTypes types{{8, A::kSigned}, {8, B::kSigned}};
  wgmma({2 * kAccumulators, types, own.a != nullptr}, u32(A::kSigned) << 1 | u32(B::kSigned), own, site);
}

template <class T, int kAccumulators>
void float_wgmma(host::WgmmaThread own, const host::Site& site) {
  static_assert(is_float_wgmma_n(2 * kAccumulators), "N is a multiple of 8 up to 256");
  wgmma({2 * kAccumulators, host::FloatType{T::kExponentBits}, own.a != nullptr}, 16 + T::kExponentBits, own, site);
}

}  // namespace detail

template <class A, class B, int kAccumulators>
void wgmma(A, B, i32 (&d)[kAccumulators], u64 a, u64 b, bool accumulate, SIMT_SITE) {
  detail::integer_wgmma<A, B, kAccumulators>({d, nullptr, a, b, accumulate}, site);
}
template <class A, class B, int kAccumulators>
void wgmma(A, B, i32 (&d)[kAccumulators], const u32 (&a)[4], u64 b, bool accumulate, SIMT_SITE) {
  detail::integer_wgmma<A, B, kAccumulators>({d, a, 0, b, accumulate}, site);
}
template <class T, int kAccumulators>
void wgmma(T, T, float (&d)[kAccumulators], u64 a, u64 b, bool accumulate, SIMT_SITE) {
  detail::float_wgmma<T, kAccumulators>({d, nullptr, a, b, accumulate}, site);
}
template <class T, int kAccumulators>
void wgmma(T, T, float (&d)[kAccumulators], const u32 (&a)[4], u64 b, bool accumulate, SIMT_SITE) {
  detail::float_wgmma<T, kAccumulators>({d, a, 0, b, accumulate}, site);
}
template <int kPending, class Sum, int kAccumulators>
void wgmma_wait(Sum (&)[kAccumulators], SIMT_SITE) {
  static_assert(sizeof(Sum) == 4, "accumulators are int32 or fp32");
  host::Block& block = *host::current_block;
  block.warpgroup_collective(host::Collective::kWgmmaWait, kPending, site, nullptr,
                             [&](u32 warpgroup) { block.wgmma_unit(warpgroup).wait(block, warpgroup, kPending, site); });
}
template <int kPending, class Sum, int kGroups, int kAccumulators>
void wgmma_wait(Sum (&d)[kGroups][kAccumulators], SIMT_SITE) {
  wgmma_wait<kPending>(d[0], site);
}

}  // namespace simt::inline SIMT_TARGET
