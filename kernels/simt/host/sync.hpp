// Indices, barriers, shuffles, votes and reductions, emulated. See device/sync.cuh for the meanings.
#pragma once
#include <simt/host/block.hpp>
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

inline u32 thread_index() { return host::current_block->thread(); }
inline u32 lane_index() { return thread_index() % kWarpSize; }
inline u32 warp_index() { return thread_index() / kWarpSize; }
inline u32 block_size() { return host::current_block->shape().threads; }
inline u32 grid_size_x() { return host::current_block->shape().grid.x; }
inline u32 grid_size_y() { return host::current_block->shape().grid.y; }
inline u32 grid_size_z() { return host::current_block->shape().grid.z; }
inline u32 block_index_x() { return static_cast<u32>(host::current_block->index() % grid_size_x()); }
inline u32 block_index_y() { return static_cast<u32>(host::current_block->index() / grid_size_x() % grid_size_y()); }
inline u32 block_index_z() { return static_cast<u32>(host::current_block->index() / grid_size_x() / grid_size_y()); }

namespace detail {

// Barrier id, thread count and form in one word, on which the lanes of a warp must agree.
constexpr u32 barrier_parameter(u32 id, u32 threads, bool waits) { return (id << 12 | threads) << 1 | u32(waits); }

inline u32 barrier(u32 id, u32 threads, bool waits, bool predicate, const host::Site& site) {
  host::Block& block = *host::current_block;
  block.collective(host::Collective::kBarrier, barrier_parameter(id, threads, waits), site, &predicate,
                   [&](host::Block::Warp& warp) {
                     u32 predicates = 0;
                     for (void* lane : warp.argument) predicates += *static_cast<bool*>(lane);
                     block.arrive_at_barrier(warp, id, threads, waits, predicates, site);
                   });
  return block.barrier_predicates(id);
}

// Runs `all(values)` once for the warp, on every lane's value in lane order; it writes each lane's result in place.
template <class T, class F>
T exchange(host::Collective kind, u32 parameter, T value, const host::Site& site, F&& all) {
  host::current_block->collective(kind, parameter, site, &value, [&](host::Block::Warp& warp) {
    T values[kWarpSize];
    for (int lane = 0; lane < kWarpSize; ++lane) values[lane] = *static_cast<T*>(warp.argument[lane]);
    all(values);
    for (int lane = 0; lane < kWarpSize; ++lane) *static_cast<T*>(warp.argument[lane]) = values[lane];
  });
  return value;
}

template <class T>
struct Shuffled {
  T value;
  int source;
};

template <class T>
T shuffle_from(T value, int source, const host::Site& site) {
  static_assert(sizeof(T) == 4, "a shuffle moves 4 bytes");
  const auto all = [](Shuffled<T>(&lanes)[kWarpSize]) {
    T values[kWarpSize];
    for (int lane = 0; lane < kWarpSize; ++lane) values[lane] = lanes[lane].value;
    for (auto& lane : lanes) lane.value = values[lane.source];
  };
  return exchange(host::Collective::kShuffle, 0, Shuffled<T>{value, source}, site, all).value;
}

template <class T, class F>
T reduce(u32 parameter, T value, const host::Site& site, F&& combine) {
  return exchange(host::Collective::kReduce, parameter, value, site, [&](T(&values)[kWarpSize]) {
    T result = values[0];
    for (int lane = 1; lane < kWarpSize; ++lane) result = combine(result, values[lane]);
    for (T& lane : values) lane = result;
  });
}

}  // namespace detail

inline void syncwarp(SIMT_SITE) {
  host::current_block->collective(host::Collective::kSyncwarp, 0, site, nullptr, &host::Block::converge);
}
inline void syncthreads(SIMT_SITE) { detail::barrier(0, block_size(), true, false, site); }
inline void barrier_sync(int id, int threads, SIMT_SITE) { detail::barrier(u32(id), u32(threads), true, false, site); }
inline void barrier_arrive(int id, int threads, SIMT_SITE) { detail::barrier(u32(id), u32(threads), false, false, site); }
inline int syncthreads_count(bool predicate, SIMT_SITE) { return int(detail::barrier(0, block_size(), true, predicate, site)); }
inline bool syncthreads_and(bool predicate, SIMT_SITE) {
  return detail::barrier(0, block_size(), true, predicate, site) == block_size();
}
inline bool syncthreads_or(bool predicate, SIMT_SITE) { return detail::barrier(0, block_size(), true, predicate, site) != 0; }

template <class T>
T shuffle(T value, int lane, SIMT_SITE) {
  return detail::shuffle_from(value, lane % kWarpSize, site);
}
template <class T>
T shuffle_xor(T value, int mask, SIMT_SITE) {
  return detail::shuffle_from(value, (int(lane_index()) ^ mask) % kWarpSize, site);
}
// Lanes without a source (below `delta`, or past the end) keep their own value.
template <class T>
T shuffle_up(T value, int delta, SIMT_SITE) {
  const int lane = int(lane_index());
  return detail::shuffle_from(value, lane >= delta ? lane - delta : lane, site);
}
template <class T>
T shuffle_down(T value, int delta, SIMT_SITE) {
  const int lane = int(lane_index());
  return detail::shuffle_from(value, lane + delta < kWarpSize ? lane + delta : lane, site);
}

inline u32 ballot(bool predicate, SIMT_SITE) {
  return detail::exchange(host::Collective::kVote, 0, u32(predicate), site, [](u32(&values)[kWarpSize]) {
    u32 bits = 0;
    for (int lane = 0; lane < kWarpSize; ++lane) bits |= values[lane] << lane;
    for (u32& lane : values) lane = bits;
  });
}
inline bool any(bool predicate, SIMT_SITE) { return ballot(predicate, site) != 0; }
inline bool all(bool predicate, SIMT_SITE) { return ballot(predicate, site) == ~0u; }

inline i32 reduce_add(i32 value, SIMT_SITE) {
  return detail::reduce(0, value, site, [](i32 a, i32 b) { return i32(u32(a) + u32(b)); });
}
inline i32 reduce_min(i32 value, SIMT_SITE) {
  return detail::reduce(1, value, site, [](i32 a, i32 b) { return a < b ? a : b; });
}
inline i32 reduce_max(i32 value, SIMT_SITE) {
  return detail::reduce(2, value, site, [](i32 a, i32 b) { return a > b ? a : b; });
}
inline u32 reduce_and(u32 value, SIMT_SITE) {
  return detail::reduce(3, value, site, [](u32 a, u32 b) { return a & b; });
}
inline u32 reduce_or(u32 value, SIMT_SITE) {
  return detail::reduce(4, value, site, [](u32 a, u32 b) { return a | b; });
}
inline u32 reduce_xor(u32 value, SIMT_SITE) {
  return detail::reduce(5, value, site, [](u32 a, u32 b) { return a ^ b; });
}

}  // namespace simt::inline SIMT_TARGET
