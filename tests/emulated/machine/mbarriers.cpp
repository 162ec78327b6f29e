// mbarriers: phases and what they order, and every misuse.
#include "harness.hpp"

using namespace machine_tests;

namespace {

u32 word(u32 index) { return simt::shared_base() + 64 + 4 * index; }
u32 mbarrier(u32 index) { return simt::shared_base() + 8 * index; }

// Thread 0 initialises; everybody may use the objects afterwards.
void set_up(u32 objects, u32 count) {
  if (thread() == 0) {
    for (u32 i = 0; i < objects; ++i) simt::mbarrier_init(mbarrier(i), count);
    simt::fence_mbarrier_init();
  }
  simt::syncthreads();
}

}  // namespace

CASE(mbarrier_hands_values_on_phase_after_phase) {
  static u32 seen[8];
  // Warp 0 fills one word for warp 1, which takes it, turn by turn.
  expect_clean({.threads = 64}, [] {
    set_up(2, 32);
    for (u32 turn = 0; turn < 8; ++turn) {
      if (simt::warp_index() == 0) {
        simt::mbarrier_wait(mbarrier(1), (turn & 1) ^ 1);
        if (simt::lane_index() == 0) simt::store_shared<u32>(word(0), 100 + turn);
        simt::syncwarp();
        simt::mbarrier_arrive(mbarrier(0));
      } else {
        simt::mbarrier_wait(mbarrier(0), turn & 1);
        const u32 value = simt::load_shared<u32>(word(0));
        if (simt::lane_index() == 5) seen[turn] = value;
        simt::mbarrier_arrive(mbarrier(1));
      }
    }
  });
  for (u32 turn = 0; turn < 8; ++turn) CHECK_EQUAL(seen[turn], 100 + turn);
}

CASE(mbarrier_wait_for_the_phase_before_the_first_returns_at_once) {
  expect_clean(Setup{}, [] {
    set_up(1, 1);
    simt::mbarrier_wait(mbarrier(0), 1);
  });
}

CASE(mbarrier_reader_that_does_not_wait_races) {
  expect_bug_and_clean_twin(HazardKind::kRace, Setup{.threads = 64}, [](bool buggy, int& line) {
    set_up(1, 32);
    const bool writes = simt::warp_index() == 0;
    const u32 address = word(simt::lane_index());
    if (writes) simt::store_shared<u32>(address, 0);
    simt::syncthreads();
    if (!writes && !buggy) simt::mbarrier_wait(mbarrier(0), 0);
    MARK(line), writes ? simt::store_shared<u32>(address, 1) : void(simt::load_shared<u32>(address));
    if (writes) simt::mbarrier_arrive(mbarrier(0));
  });
}

CASE(mbarrier_writer_that_overtakes_readers_races) {
  expect_bug_and_clean_twin(HazardKind::kRace, Setup{.threads = 64}, [](bool buggy, int& line) {
    set_up(1, buggy ? 16 : 32);
    const u32 address = word(simt::lane_index());
    if (simt::warp_index() == 0) simt::store_shared<u32>(address, 1);
    simt::syncthreads();
    const bool reads = simt::warp_index() == 1;
    if (!reads) simt::mbarrier_wait(mbarrier(0), 0);
    MARK(line), reads ? void(simt::load_shared<u32>(address)) : simt::store_shared<u32>(address, 2);
    // The lower half alone does not speak for the upper one.
    if (reads && (!buggy || simt::lane_index() < 16)) simt::mbarrier_arrive(mbarrier(0));
  });
}

// One lane arrives for its warp: the other lanes' reads are behind it only if the warp was together in between.
CASE(mbarrier_arrival_of_one_lane_speaks_for_its_warp_after_syncwarp_only) {
  expect_bug_and_clean_twin(HazardKind::kRace, Setup{.threads = 64}, [](bool buggy, int& line) {
    set_up(1, 1);
    const u32 address = word(simt::lane_index());
    if (simt::warp_index() == 0) simt::store_shared<u32>(address, 1);
    simt::syncthreads();
    const bool reads = simt::warp_index() == 1;
    if (!reads) simt::mbarrier_wait(mbarrier(0), 0);
    MARK(line), reads ? void(simt::load_shared<u32>(address)) : simt::store_shared<u32>(address, 2);
    if (reads && !buggy) simt::syncwarp();
    if (reads && simt::lane_index() == 0) simt::mbarrier_arrive(mbarrier(0));
  });
}

// A fence is no meeting: the lane that arrives may be past it while others have yet to write.
CASE(mbarrier_arrival_of_one_lane_after_a_proxy_fence_speaks_for_its_warp_after_syncwarp_only) {
  expect_bug_and_clean_twin(HazardKind::kRace, Setup{.threads = 64}, [](bool buggy, int& line) {
    set_up(1, 1);
    const u32 address = word(simt::lane_index());
    if (simt::warp_index() == 0) {
      simt::store_shared<u32>(address, 1);
      simt::fence_proxy_async();
      if (!buggy) simt::syncwarp();
      if (simt::lane_index() == 0) simt::mbarrier_arrive(mbarrier(0));
    } else {
      simt::mbarrier_wait(mbarrier(0), 0);
      MARK(line), simt::load_shared<u32>(address);
    }
  });
}

CASE(mbarrier_used_before_its_initialisation) {
  expect_bug_and_clean_twin(HazardKind::kMbarrier, Setup{}, [](bool buggy, int& line) {
    if (!buggy) set_up(1, 32);
    MARK(line), simt::mbarrier_arrive(mbarrier(0));
  });
}

CASE(mbarrier_initialisation_not_ordered_before_its_use) {
  const auto kernel = [](bool buggy, int& line) {
    if (thread() == 0) simt::mbarrier_init(mbarrier(0), 1);
    if (!buggy) simt::syncthreads();
    if (thread() == 63) MARK(line), simt::mbarrier_arrive(mbarrier(0));
  };
  expect_clean({.threads = 64}, [&] {
    int line;
    kernel(false, line);
  });
  // Where the arrival comes first there is no object yet: another finding at the same place.
  for (const Order order : kOrders) {
    int line = 0;
    const Report report = run({.threads = 64}, [&] { kernel(true, line); }, order);
    CHECK(report.has(HazardKind::kRace) || report.has(HazardKind::kMbarrier));
    CHECK_EQUAL(static_cast<int>(report.hazards.front().site.line), line);
  }
}

CASE(mbarrier_with_more_arrivals_than_a_phase_takes) {
  expect_bug_and_clean_twin(HazardKind::kMbarrier, Setup{}, [](bool buggy, int& line) {
    set_up(1, 4);
    // Bytes that never come keep the phase open.
    if (thread() == 0) simt::mbarrier_expect_tx(mbarrier(0), 16);
    simt::syncwarp();
    if (thread() < (buggy ? 5u : 4u)) MARK(line), simt::mbarrier_arrive(mbarrier(0));
  });
}

CASE(mbarrier_waited_for_with_the_wrong_parity_is_a_deadlock) {
  expect_bug_and_clean_twin(HazardKind::kDeadlock, Setup{}, [](bool buggy, int& line) {
    set_up(1, 1);
    MARK(line), simt::mbarrier_wait(mbarrier(0), buggy ? 0 : 1);
  });
}

CASE(mbarrier_initialised_twice) {
  expect_bug_and_clean_twin(HazardKind::kMbarrier, Setup{}, [](bool buggy, int& line) {
    set_up(1, 1);
    if (thread() != 0) return;
    if (!buggy) simt::mbarrier_invalidate(mbarrier(0));
    MARK(line), simt::mbarrier_init(mbarrier(0), 2);
  });
}

CASE(mbarrier_bytes_touched_as_data) {
  expect_bug_and_clean_twin(HazardKind::kMbarrier, Setup{}, [](bool buggy, int& line) {
    set_up(1, 1);
    if (thread() != 0) return;
    if (!buggy) simt::mbarrier_invalidate(mbarrier(0));
    MARK(line), simt::store_shared<u32>(mbarrier(0), 1);
  });
}

CASE(mbarrier_count_out_of_range) {
  expect_bug_and_clean_twin(HazardKind::kMbarrier, Setup{}, [](bool buggy, int& line) {
    if (thread() == 0) MARK(line), simt::mbarrier_init(mbarrier(0), buggy ? 1u << 20 : (1u << 20) - 1);
  });
}

CASE(mbarrier_on_four_bytes) {
  expect_bug_and_clean_twin(HazardKind::kMisaligned, Setup{}, [](bool buggy, int& line) {
    if (thread() == 0) MARK(line), simt::mbarrier_init(mbarrier(1) + (buggy ? 4 : 0), 1);
  });
}
