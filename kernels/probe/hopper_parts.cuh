// What probes of sm_90a share: a warpgroup with an mbarrier and room for boxes and operands in shared memory.
#pragma once
#include <probe/probe_parts.cuh>

namespace immabench::inline SIMT_TARGET {

constexpr int kWarpgroupThreads = 128;
constexpr ProbeShape kWarpgroupShape{.threads = kWarpgroupThreads, .shared_bytes = 45 << 10, .sm90a = true};
constexpr ProbeShape kClusterShape{.threads = kWarpgroupThreads, .cluster = 2, .shared_bytes = 45 << 10, .sm90a = true};
// The words of a block: what a box may fill.
constexpr u32 kBlockBytes = kProbeWords * kWarpgroupThreads * 4;

SIMT_DEVICE u32 own_mbarrier() { return simt::shared_base(); }
// On a whole pattern of every swizzle, behind the mbarrier.
SIMT_DEVICE u32 box_area() { return simt::shared_base() + 1024; }

SIMT_DEVICE void cluster_sync() {
  simt::cluster_arrive();
  simt::cluster_wait();
}

// An mbarrier for `arrivals` a phase, ready for all threads of the block past a barrier.
SIMT_DEVICE void set_up_mbarrier(u32 arrivals) {
  if (simt::thread_index() == 0) {
    simt::mbarrier_init(own_mbarrier(), arrivals);
    simt::fence_mbarrier_init();
  }
  simt::syncthreads();
}

// Word i of thread t is word 128 i + t of the area.
SIMT_DEVICE u32 word_address(u32 area, int i) { return area + 4 * u32(i * kWarpgroupThreads) + 4 * simt::thread_index(); }

SIMT_DEVICE void store_words(u32 area, const ProbeWordArray& r) {
  SIMT_UNROLL
  for (int i = 0; i < kProbeWords; ++i) simt::store_shared(word_address(area, i), r[i]);
}
// Those words that lie in the first `bytes` of the area; the others keep what they are.
SIMT_DEVICE void load_words(ProbeWordArray& r, u32 area, u32 bytes) {
  SIMT_UNROLL
  for (int i = 0; i < kProbeWords; ++i) {
    if (word_address(area, i) < area + bytes) r[i] = simt::load_shared<u32>(word_address(area, i));
  }
}

// What the threads wrote before, bulk copies and wgmma of any of them may touch now.
SIMT_DEVICE void hand_to_async_proxy() {
  simt::fence_proxy_async();
  simt::syncthreads();
}

}  // namespace immabench::inline SIMT_TARGET
