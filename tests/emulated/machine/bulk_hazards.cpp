// Every misuse of bulk copies, each with its clean twin.
#include "bulk_copies.hpp"

using namespace machine_tests;

namespace {

// A load of 256 bytes that `wait` waits for.
void load_256(u32 destination, u32 announced = 256) {
  if (thread() != 0) return;
  simt::mbarrier_arrive_expect_tx(mbarrier(), announced);
  simt::bulk_load(destination, global(source), 256, mbarrier());
}

}  // namespace

CASE(bulk_load_read_before_its_mbarrier) {
  expect_bug_and_clean_twin(HazardKind::kReadInFlight, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    load_256(box());
    simt::syncwarp();
    if (!buggy) simt::mbarrier_wait(mbarrier(), 0);
    MARK(line), simt::load_shared<u32>(box() + 4 * thread());
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_load_of_more_bytes_than_come_is_a_deadlock) {
  expect_bug_and_clean_twin(HazardKind::kDeadlock, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    load_256(box(), buggy ? 272 : 256);
    MARK(line), simt::mbarrier_wait(mbarrier(), 0);
  });
}

// Whether the read or the load comes first is up to the order; either way it is found where it happens.
CASE(bulk_load_into_bytes_still_read) {
  const Setup setup{.threads = 64, .memory = {input(source)}};
  const auto kernel = [](bool buggy) {
    set_up();
    load_256(box());
    simt::mbarrier_wait(mbarrier(), 0);
    simt::load_shared<u32>(box() + 4 * simt::lane_index());
    if (!buggy) simt::syncthreads();
    if (thread() == 32) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 256);
      simt::bulk_load(box(), global(source), 256, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 1);
  };
  expect_clean(setup, [&] { kernel(false); });
  CHECK(run(setup, [&] { kernel(true); }, Order::kForward).has(HazardKind::kRace));
  CHECK(run(setup, [&] { kernel(true); }, Order::kReverse).has(HazardKind::kReadInFlight));
}

CASE(bulk_load_over_what_a_thread_wrote_without_proxy_fence) {
  expect_bug_and_clean_twin(HazardKind::kMissingProxyFence, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    simt::store_shared<u32>(box() + 4 * thread(), 1);
    if (!buggy) simt::fence_proxy_async();
    simt::syncwarp();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 256);
      MARK(line), simt::bulk_load(box(), global(source), 256, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_load_to_an_mbarrier_without_fence) {
  expect_bug_and_clean_twin(HazardKind::kMbarrier, {.memory = {input(source)}}, [](bool buggy, int& line) {
    if (thread() != 0) return;
    simt::mbarrier_init(mbarrier(), 1);
    if (!buggy) simt::fence_mbarrier_init();
    simt::mbarrier_arrive_expect_tx(mbarrier(), buggy ? 0 : 256);
    MARK(line), simt::bulk_load(box(), global(source), 256, mbarrier());
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_load_from_outside_every_operand) {
  static u8 small[256];
  expect_bug_and_clean_twin(HazardKind::kGlobalOutOfBounds, {.memory = {input(small)}}, [](bool buggy, int& line) {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 256);
      TensorDescription t = dense(small, 1, {64, buggy ? 5u : 4u}, {64, 4});
      static TensorMap map;
      map = {t};
      const i32 at[2] = {0, 1};
      MARK(line), simt::tensor_load(box(), map, at, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_box_off_its_alignment) {
  static const TensorMap map{dense(source, 1, {64, 4}, {64, 4})};
  expect_bug_and_clean_twin(HazardKind::kMisaligned, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), buggy ? 0 : 256);
      const i32 at[2] = {0, 0};
      MARK(line), simt::tensor_load(box() + (buggy ? 64 : 0), map, at, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_box_with_rows_shorter_than_its_swizzle_is_refused) {
  expect_bug_and_clean_twin(HazardKind::kLaunch, {.memory = {input(source)}}, [](bool buggy, int& line) {
    static TensorMap map;
    map = {dense(source, 1, {64, 8}, {buggy ? 32u : 64u, 3}, TensorSwizzle::k64Bytes)};
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 192);
      const i32 at[2] = {0, 0};
      MARK(line), simt::tensor_load(box(), map, at, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_load_past_the_end_of_shared_memory) {
  expect_bug_and_clean_twin(HazardKind::kSharedOutOfBounds, {.memory = {input(source)}}, [](bool buggy, int& line) {
    set_up();
    if (thread() != 0) return;
    simt::mbarrier_arrive_expect_tx(mbarrier(), buggy ? 0 : 256);
    MARK(line), simt::bulk_load(simt::shared_base() + 4096 - (buggy ? 128 : 256), global(source), 256, mbarrier());
    simt::mbarrier_wait(mbarrier(), 0);
  });
}

CASE(bulk_store_without_proxy_fence) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kMissingProxyFence, {.memory = {output(target)}}, [](bool buggy, int& line) {
    simt::store_shared<u32>(box() + 4 * thread(), 1);
    if (!buggy) simt::fence_proxy_async();
    simt::syncwarp();
    if (thread() != 0) return;
    MARK(line), simt::bulk_store(global(target), box(), 128);
    simt::bulk_commit();
    simt::bulk_wait<0>();
  });
}

CASE(bulk_store_not_ordered_after_the_writes) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kRace, {.threads = 64, .memory = {output(target)}}, [](bool buggy, int& line) {
    if (simt::warp_index() == 0) simt::store_shared<u32>(box() + 4 * thread(), 0);
    simt::fence_proxy_async();
    simt::syncthreads();
    // Both are one source line: which comes second depends on the order.
    const bool writes = simt::warp_index() == 0;
    const auto store = [](bool one, SIMT_SITE) {
      if (one)
        simt::store_shared<u32>(box() + 4 * thread(), 1, site);
      else if (thread() == 63)
        simt::bulk_store(global(target), box(), 128, site);
    };
    if (!writes && !buggy) simt::barrier_sync(1, 64);
    MARK(line), store(writes);
    if (writes) simt::fence_proxy_async();
    if (writes && !buggy) simt::barrier_sync(1, 64);
    if (thread() != 63) return;
    simt::bulk_commit();
    simt::bulk_wait<0>();
  });
}

CASE(bulk_store_overtaken_by_the_next_write) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kWriteUnderRead, {.memory = {output(target)}}, [](bool buggy, int& line) {
    simt::store_shared<u32>(box() + 4 * thread(), 1);
    simt::fence_proxy_async();
    if (thread() == 0) {
      simt::bulk_store(global(target), box(), 128);
      simt::bulk_commit();
      if (!buggy) simt::bulk_wait_read<0>();
    }
    simt::syncwarp();
    MARK(line), simt::store_shared<u32>(box() + 4 * thread(), 2);
    if (thread() == 0) simt::bulk_wait<0>();
  });
}

CASE(bulk_store_that_nobody_waited_for) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kCopyAtExit, {.memory = {output(target)}}, [](bool buggy, int& line) {
    simt::store_shared<u32>(box() + 4 * thread(), 1);
    simt::fence_proxy_async();
    if (thread() != 0) return;
    MARK(line), simt::bulk_store(global(target), box(), 128);
    simt::bulk_commit();
    if (!buggy) simt::bulk_wait_read<0>();
  });
}

CASE(bulk_store_into_an_input) {
  alignas(16) static u8 target[128];
  expect_bug_and_clean_twin(HazardKind::kGlobalOutOfBounds, {.memory = {input(source), output(target)}},
                            [](bool buggy, int& line) {
                              simt::store_shared<u32>(box() + 4 * thread(), 1);
                              simt::fence_proxy_async();
                              if (thread() != 0) return;
                              MARK(line), simt::bulk_store(global(buggy ? source : target), box(), 128);
                              simt::bulk_commit();
                              simt::bulk_wait<0>();
                            });
}
