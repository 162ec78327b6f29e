// Every misuse of wgmma, each with its clean twin.
#include "wgmma_operands.hpp"

using namespace machine_tests;
using simt::i32;
using simt::MatrixLayout;
using simt::S8;
using simt::TensorSwizzle;
using simt::u64;
using simt::U8;
using simt::u8;

namespace {

constexpr Setup kSetup{.threads = 128, .shared_bytes = kSharedBytes};

u64 descriptor(u32 address) { return simt::matrix_descriptor(address, simt::swizzled_layout(TensorSwizzle::k128Bytes)); }

void store_operands(bool fenced = true) {
  for (u32 i = 4 * thread(); i < kSharedBytes; i += 4 * simt::block_size()) simt::store_shared<u32>(simt::shared_base() + i, i);
  if (fenced) simt::fence_proxy_async();
  simt::syncthreads();
}

}  // namespace

CASE(wgmma_without_wgmma_fence) {
  expect_bug_and_clean_twin(HazardKind::kWgmma, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[32] = {};
    for (int turn = 0; turn < 2; ++turn) {
      if (turn == 0 || !buggy) simt::wgmma_fence();
      MARK(line), simt::wgmma(S8{}, S8{}, d, descriptor(at_a()), descriptor(at_b()), true);
      simt::wgmma_commit();
      simt::wgmma_wait<0>(d);
    }
  });
}

CASE(wgmma_of_operands_written_without_proxy_fence) {
  expect_bug_and_clean_twin(HazardKind::kMissingProxyFence, kSetup, [](bool buggy, int& line) {
    store_operands(!buggy);
    i32 d[32] = {};
    simt::wgmma_fence();
    MARK(line), simt::wgmma(S8{}, S8{}, d, descriptor(at_a()), descriptor(at_b()), true);
    simt::wgmma_commit();
    simt::wgmma_wait<0>(d);
  });
}

CASE(wgmma_operand_overwritten_before_the_wait) {
  expect_bug_and_clean_twin(HazardKind::kWriteUnderRead, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[32] = {};
    simt::wgmma_fence();
    simt::wgmma(S8{}, S8{}, d, descriptor(at_a()), descriptor(at_b()), true);
    simt::wgmma_commit();
    if (!buggy) simt::wgmma_wait<0>(d);
    if (thread() == 77) MARK(line), simt::store_shared<u32>(at_b() + 128, 1);
    simt::wgmma_wait<0>(d);
  });
}

CASE(wgmma_operand_still_being_written) {
  expect_bug_and_clean_twin(HazardKind::kRace, {.threads = 256, .shared_bytes = kSharedBytes}, [](bool buggy, int& line) {
    store_operands();
    const bool writes = thread() == 255;
    if (thread() >= 128 && !buggy) simt::barrier_sync(2, 256);
    i32 d[32] = {};
    if (thread() < 128) simt::wgmma_fence();
    const auto act = [&](SIMT_SITE) {
      if (thread() < 128)
        simt::wgmma(S8{}, S8{}, d, descriptor(at_a()), descriptor(at_b()), true, site);
      else if (writes)
        simt::store_shared<u32>(at_b() + 128, 1, site);
    };
    MARK(line), act();
    if (thread() >= 128) return;
    simt::wgmma_commit();
    simt::wgmma_wait<0>(d);
    if (!buggy) simt::barrier_sync(2, 256);
  });
}

CASE(wgmma_results_taken_before_the_wait) {
  static i32 taken;
  const auto kernel = [](bool buggy) {
    store_operands();
    i32 d[32] = {};
    simt::wgmma_fence();
    simt::wgmma(S8{}, S8{}, d, descriptor(at_a()), descriptor(at_b()), false);
    simt::wgmma_commit();
    if (buggy && thread() == 0) taken = d[0];
    simt::wgmma_wait<0>(d);
    if (!buggy && thread() == 0) taken = d[0];
  };
  CHECK(run(kSetup, [&] { kernel(true); }).clean());
  CHECK_EQUAL(u32(taken), 0xCDCDCDCDu);
  expect_clean(kSetup, [&] { kernel(false); });
  CHECK(u32(taken) != 0xCDCDCDCDu);
}

CASE(wgmma_accumulators_written_before_the_wait) {
  expect_bug_and_clean_twin(HazardKind::kWgmma, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[32] = {};
    simt::wgmma_fence();
    simt::wgmma(S8{}, S8{}, d, descriptor(at_a()), descriptor(at_b()), true);
    simt::wgmma_commit();
    if (buggy && thread() == 9) d[3] = 5;
    MARK(line), simt::wgmma_wait<0>(d);
  });
}

CASE(wgmma_registers_of_a_written_before_the_wait) {
  expect_bug_and_clean_twin(HazardKind::kWgmma, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[32] = {};
    u32 a[4] = {1, 2, 3, thread()};
    simt::wgmma_fence();
    simt::wgmma(S8{}, S8{}, d, a, descriptor(at_b()), true);
    simt::wgmma_commit();
    if (buggy && thread() == 9) a[3] = 5;
    MARK(line), simt::wgmma_wait<0>(d);
    a[3] = 6;
  });
}

CASE(wgmma_registers_of_a_in_two_sets) {
  expect_bug_and_clean_twin(HazardKind::kWgmma, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[32] = {};
    u32 a[2][4] = {};
    for (u32 step = 0; step < 6; ++step) {
      a[step % 2][0] = step * 128 + thread();
      simt::wgmma_fence();
      simt::wgmma(S8{}, S8{}, d, a[step % 2], descriptor(at_b()), true);
      simt::wgmma_commit();
      if (!buggy) simt::wgmma_wait<1>(d);  // the step before is done with the other set
    }
    MARK(line), simt::wgmma_wait<0>(d);
  });
}

CASE(wgmma_registers_of_a_written_after_the_fence) {
  expect_bug_and_clean_twin(HazardKind::kWgmma, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[32] = {};
    u32 a[4] = {};
    for (u32 step = 0; step < 2; ++step) {
      if (!buggy) a[1] = step + thread();
      simt::wgmma_fence();
      if (buggy) a[1] = step + thread();
      MARK(line), simt::wgmma(S8{}, S8{}, d, a, descriptor(at_b()), true);
      simt::wgmma_commit();
      simt::wgmma_wait<0>(d);
    }
  });
}

CASE(wgmma_that_nobody_waited_for) {
  expect_bug_and_clean_twin(HazardKind::kWgmma, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[32] = {};
    simt::wgmma_fence();
    MARK(line), simt::wgmma(S8{}, S8{}, d, descriptor(at_a()), descriptor(at_b()), true);
    simt::wgmma_commit();
    if (!buggy) simt::wgmma_wait<0>(d);
  });
}

CASE(wgmma_operand_out_of_bounds) {
  expect_bug_and_clean_twin(HazardKind::kSharedOutOfBounds, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[128] = {};
    simt::wgmma_fence();
    const u32 b = simt::shared_base() + kSharedBytes - (buggy ? 16 : 32) * 1024;
    MARK(line), simt::wgmma(S8{}, S8{}, d, descriptor(at_a()), descriptor(b), true);
    simt::wgmma_commit();
    simt::wgmma_wait<0>(d);
  });
}

CASE(wgmma_of_threads_that_disagree) {
  expect_bug_and_clean_twin(HazardKind::kWgmma, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[32] = {};
    simt::wgmma_fence();
    const u32 off = buggy && thread() == 100 ? 1024 : 0;
    MARK(line), simt::wgmma(S8{}, S8{}, d, descriptor(at_a()), descriptor(at_b() + off), true);
    simt::wgmma_commit();
    simt::wgmma_wait<0>(d);
  });
}

CASE(wgmma_of_warps_that_part) {
  expect_bug_and_clean_twin(HazardKind::kDivergentCollective, kSetup, [](bool buggy, int& line) {
    store_operands();
    const bool odd = buggy && simt::warp_index() == 1;
    MARK(line), odd ? simt::wgmma_commit() : simt::wgmma_fence();
  });
}

CASE(wgmma_descriptor_with_a_base_offset_is_refused) {
  expect_bug_and_clean_twin(HazardKind::kWgmma, kSetup, [](bool buggy, int& line) {
    store_operands();
    i32 d[32] = {};
    simt::wgmma_fence();
    MARK(line), simt::wgmma(S8{}, S8{}, d, descriptor(at_a()) | (buggy ? u64{1} << 49 : 0), descriptor(at_b()), true);
    simt::wgmma_commit();
    simt::wgmma_wait<0>(d);
  });
}

CASE(wgmma_without_a_whole_warpgroup_is_refused) {
  CHECK(run({.threads = 64}, [] { simt::wgmma_fence(); }).has(HazardKind::kLaunch));
}
