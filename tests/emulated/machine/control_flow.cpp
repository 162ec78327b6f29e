// Threads that part where they must meet: divergent collectives, deadlocks, barriers that disagree, and kernels gone wrong.
#include "harness.hpp"

using namespace machine_tests;

CASE(divergent_collective) {
  expect_bug_and_clean_twin(HazardKind::kDivergentCollective, Setup{.threads = 64}, [](bool buggy, int& line) {
    if (!buggy || thread() % 2)
      MARK(line), simt::syncthreads();
    else
      MARK(line), simt::syncwarp();
  });
}

CASE(lanes_skip_ldmatrix) {
  expect_bug_and_clean_twin(HazardKind::kDivergentCollective, Setup{}, [](bool buggy, int& line) {
    simt::store_shared(simt::shared_base() + 16 * thread(), Bytes16{});
    simt::syncwarp();
    u32 r[4];
    if (!buggy || simt::lane_index() < 16) MARK(line), simt::ldmatrix(r, simt::shared_base() + 16 * thread());
  });
}

CASE(shuffle_with_returned_lanes) {
  expect_bug_and_clean_twin(HazardKind::kDivergentCollective, Setup{}, [](bool buggy, int& line) {
    if (buggy && simt::lane_index() == 3) return;
    MARK(line), simt::shuffle_xor(1, 1);
  });
}

CASE(deadlock_at_a_barrier_some_warps_skip) {
  expect_bug_and_clean_twin(HazardKind::kDeadlock, Setup{.threads = 96}, [](bool buggy, int& line) {
    if (!buggy || simt::warp_index() != 1) MARK(line), simt::syncthreads();
  });
}

CASE(deadlock_of_crossed_barriers) {
  expect_bug_and_clean_twin(HazardKind::kDeadlock, Setup{.threads = 64}, [](bool buggy, int& line) {
    const int first = buggy && simt::warp_index() == 1 ? 2 : 1;
    MARK(line), simt::barrier_sync(first, 64);
    simt::barrier_sync(3 - first, 64);
  });
}

CASE(barrier_with_disagreeing_counts) {
  expect_bug_and_clean_twin(HazardKind::kBarrierMismatch, Setup{.threads = 96}, [](bool buggy, int& line) {
    MARK(line), simt::barrier_sync(1, buggy && simt::warp_index() == 1 ? 64 : 96);
  });
}

CASE(barrier_count_not_of_whole_warps) {
  expect_bug_and_clean_twin(HazardKind::kBarrierMismatch, Setup{.threads = 64},
                            [](bool buggy, int& line) { MARK(line), simt::barrier_sync(1, buggy ? 48 : 64); });
}

CASE(launch_of_a_partial_warp_is_refused) {
  CHECK(run({.threads = 48}, [] {}).has(HazardKind::kLaunch));
  CHECK(run({.threads = 2048}, [] {}).has(HazardKind::kLaunch));
  CHECK(run({.threads = 1024}, [] {}).clean());
}

CASE(hazards_are_counted_past_the_recorded_ones) {
  const Report report =
      run({.threads = 64, .shared_bytes = 64, .max_hazards = 16}, [] { simt::load_shared<u32>(shared_word(thread())); });
  CHECK_EQUAL(report.hazards.size(), std::size_t{16});
  CHECK_EQUAL(report.hazard_total, 64u);
}

CASE(a_kernel_gone_wrong_is_stopped) {
  const Report report = run({}, [] {
    for (;;) simt::load_shared<u32>(shared_word(5000));
  });
  CHECK(report.hazard_total > 1000);
}
