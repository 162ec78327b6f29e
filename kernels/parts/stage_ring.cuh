// A ring of shared-memory stages between a producer and its consumers, kept in step by two mbarriers a stage.
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// Which stage comes next, and in which round through the ring.
template <int kStages>
struct RingPosition {
  int stage = 0;
  simt::u32 phase = 0;

  SIMT_DEVICE void advance() {
    if (++stage == kStages) {
      stage = 0;
      phase ^= 1;
    }
  }
};

// `full` completes when a stage holds data, `empty` when all who read it have let go.
template <int kStages>
struct StageRing {
  static constexpr int kBytes = 2 * kStages * 8;

  simt::u32 base;  // of kBytes of shared memory

  SIMT_DEVICE simt::u32 full(int stage) const { return base + simt::u32(stage * 8); }
  SIMT_DEVICE simt::u32 empty(int stage) const { return base + simt::u32((kStages + stage) * 8); }

  // By one thread; others use the ring past a barrier.
  SIMT_DEVICE void initialise(simt::u32 producers, simt::u32 consumers) const {
    for (int stage = 0; stage < kStages; ++stage) {
      simt::mbarrier_init(full(stage), producers);
      simt::mbarrier_init(empty(stage), consumers);
    }
    simt::fence_mbarrier_init();
  }

  SIMT_DEVICE void await_full(RingPosition<kStages> at) const { simt::mbarrier_wait(full(at.stage), at.phase); }
  // In the first round nothing was there to be let go: an mbarrier has completed the phase before its first.
  SIMT_DEVICE void await_empty(RingPosition<kStages> at) const { simt::mbarrier_wait(empty(at.stage), at.phase ^ 1); }
};

}  // namespace immabench::inline SIMT_TARGET
