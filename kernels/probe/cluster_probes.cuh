// Probes of what keeps threads in step on sm_90a: mbarriers, clusters of two blocks, registers that move between warpgroups.
#pragma once
#include <probe/hopper_parts.cuh>

namespace immabench::inline SIMT_TARGET {
namespace probe_kinds {

// Four phases of one mbarrier, each of the arrivals of a random part of the threads, which write before they arrive; then the
// same bytes as a new mbarrier.
IMMABENCH_PROBE_OF(mbarrier_phases, kWarpgroupShape, (ProbeWordArray & r)) {
  const u32 thread = simt::thread_index();
  const bool arrives = thread == 0 || r[15] % 3 == 0;
  const u32 arrivals = u32(simt::syncthreads_count(arrives));
  for (u32 round = 0; round < 2; ++round) {
    store_words(box_area(), r);
    set_up_mbarrier(arrivals);
    SIMT_UNROLL
    for (int phase = 0; phase < 4; ++phase) {
      simt::syncwarp();  // the machine's time is the warp's: lanes that do not arrive are done with what they read
      if (arrives) {
        simt::store_shared(word_address(box_area(), phase), ~r[phase]);
        simt::mbarrier_arrive(own_mbarrier());
      }
      simt::mbarrier_wait(own_mbarrier(), u32(phase) % 2);
      r[phase] = simt::load_shared<u32>(box_area() + 512 * u32(phase) + 4 * (r[4 + phase] % kWarpgroupThreads));
    }
    simt::syncthreads();
    if (thread == 0) simt::mbarrier_invalidate(own_mbarrier());
    simt::syncthreads();
  }
}

// Words of either block, written by the own one, read and overwritten by the other.
IMMABENCH_PROBE_OF(cluster_shared_memory, kClusterShape, (ProbeWordArray & r)) {
  const u32 thread = simt::thread_index(), other = simt::cluster_rank() ^ 1;
  simt::store_shared(own_row(thread), Row{{r[0], r[1], r[2], r[3]}});
  cluster_sync();
  const u32 row = simt::map_shared_rank(own_row(r[4] % kWarpgroupThreads), r[5] % simt::cluster_size());
  const Row all = simt::load_shared_cluster<Row>(row);
  const auto half = simt::load_shared_cluster<simt::Vector<u32, 2>>(row + 8);
  const u32 word = simt::load_shared_cluster<u32>(row + 4);
  const u32 area = simt::map_shared_rank(own_row(kWarpgroupThreads + 2 * thread), other);
  simt::store_shared_cluster(area, Row{{r[6], r[7], r[8], r[9]}});
  simt::store_shared_cluster(area + 16, simt::Vector<u32, 2>{{r[10], r[11]}});
  simt::store_shared_cluster(area + 24, r[12]);
  cluster_sync();
  const u32 back = own_row(kWarpgroupThreads + 2 * (r[13] % kWarpgroupThreads));
  const Row given = simt::load_shared<Row>(back);
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) r[i] = all[i], r[6 + i] = given[i];
  r[4] = half[0], r[5] = half[1], r[13] = word;
  r[10] = simt::load_shared<u32>(back + 16), r[11] = simt::load_shared<u32>(back + 20),
  r[12] = simt::load_shared<u32>(back + 24);
}

// Each block overwrites its words once the other, which has read them, has arrived at its mbarrier.
IMMABENCH_PROBE_OF(cluster_mbarrier, kClusterShape, (ProbeWordArray & r)) {
  const u32 other = simt::cluster_rank() ^ 1;
  set_up_mbarrier(kWarpgroupThreads);
  store_words(box_area(), r);
  cluster_sync();
  const u32 place = box_area() + 4 * (r[0] % (kProbeWords * kWarpgroupThreads));
  r[1] = simt::load_shared_cluster<u32>(simt::map_shared_rank(place, other));
  simt::mbarrier_arrive_cluster(simt::map_shared_rank(own_mbarrier(), other));
  simt::mbarrier_wait(own_mbarrier(), 0);
  simt::store_shared(word_address(box_area(), 0), r[2]);
  cluster_sync();
  r[3] = simt::load_shared_cluster<u32>(simt::map_shared_rank(box_area() + 4 * (r[4] % kWarpgroupThreads), other));
  cluster_sync();
}

// One warpgroup gives registers, two take them, all go on to talk to each other.
IMMABENCH_PROBE_OF(max_registers, (ProbeShape{.threads = 384, .shared_bytes = 8192, .sm90a = true}), (ProbeWordArray & r)) {
  const u32 thread = simt::thread_index();
  if (thread < kWarpgroupThreads)
    simt::decrease_max_registers<40>();
  else
    simt::increase_max_registers<232>();
  simt::store_shared(simt::shared_base() + 4 * thread, r[0]);
  simt::syncthreads();
  r[1] = simt::load_shared<u32>(simt::shared_base() + 4 * (r[2] % 384));
}

using ClusterProbes = ProbeList<mbarrier_phases, cluster_shared_memory, cluster_mbarrier, max_registers>;

}  // namespace probe_kinds
}  // namespace immabench::inline SIMT_TARGET
