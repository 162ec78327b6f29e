// Indices, barriers, shuffles, votes and reductions. Collectives take part with all 32 lanes of a warp.
#pragma once
#include <simt/vocabulary.hpp>

namespace simt::inline SIMT_TARGET {

// ---- where am I (blocks are one-dimensional in threads)
SIMT_DEVICE u32 thread_index() { return threadIdx.x; }
SIMT_DEVICE u32 lane_index() { return threadIdx.x % kWarpSize; }
SIMT_DEVICE u32 warp_index() { return threadIdx.x / kWarpSize; }
SIMT_DEVICE u32 block_size() { return blockDim.x; }
SIMT_DEVICE u32 block_index_x() { return blockIdx.x; }
SIMT_DEVICE u32 block_index_y() { return blockIdx.y; }
SIMT_DEVICE u32 block_index_z() { return blockIdx.z; }
SIMT_DEVICE u32 grid_size_x() { return gridDim.x; }
SIMT_DEVICE u32 grid_size_y() { return gridDim.y; }
SIMT_DEVICE u32 grid_size_z() { return gridDim.z; }

// ---- barriers
SIMT_DEVICE void syncthreads() { __syncthreads(); }
SIMT_DEVICE void syncwarp() { __syncwarp(); }
// Named barrier `id` (1..15; 0 is syncthreads) of `threads` threads, a multiple of the warp size.
SIMT_DEVICE void barrier_sync(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
SIMT_DEVICE void barrier_arrive(int id, int threads) { asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
SIMT_DEVICE int syncthreads_count(bool predicate) { return __syncthreads_count(predicate); }
SIMT_DEVICE bool syncthreads_and(bool predicate) { return __syncthreads_and(predicate) != 0; }
SIMT_DEVICE bool syncthreads_or(bool predicate) { return __syncthreads_or(predicate) != 0; }

// ---- warp exchange (T of 4 bytes)
constexpr u32 kAllLanes = 0xffffffffu;
template <class T>
SIMT_DEVICE T shuffle(T value, int lane) {
  return __shfl_sync(kAllLanes, value, lane);
}
template <class T>
SIMT_DEVICE T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(kAllLanes, value, mask);
}
template <class T>
SIMT_DEVICE T shuffle_up(T value, int delta) {
  return __shfl_up_sync(kAllLanes, value, delta);
}
template <class T>
SIMT_DEVICE T shuffle_down(T value, int delta) {
  return __shfl_down_sync(kAllLanes, value, delta);
}
SIMT_DEVICE u32 ballot(bool predicate) { return __ballot_sync(kAllLanes, predicate); }
SIMT_DEVICE bool any(bool predicate) { return __any_sync(kAllLanes, predicate) != 0; }
SIMT_DEVICE bool all(bool predicate) { return __all_sync(kAllLanes, predicate) != 0; }

// ---- redux.sync (sm_80)
SIMT_DEVICE i32 reduce_add(i32 value) { return __reduce_add_sync(kAllLanes, value); }
SIMT_DEVICE i32 reduce_min(i32 value) { return __reduce_min_sync(kAllLanes, value); }
SIMT_DEVICE i32 reduce_max(i32 value) { return __reduce_max_sync(kAllLanes, value); }
SIMT_DEVICE u32 reduce_and(u32 value) { return __reduce_and_sync(kAllLanes, value); }
SIMT_DEVICE u32 reduce_or(u32 value) { return __reduce_or_sync(kAllLanes, value); }
SIMT_DEVICE u32 reduce_xor(u32 value) { return __reduce_xor_sync(kAllLanes, value); }

}  // namespace simt::inline SIMT_TARGET
