// What releases and acquires order within a block and between blocks: each mistake is planted beside its clean twin.
#include "global_order.hpp"

using namespace machine_tests;

// ---- within a block: barriers between the stores and the release, the acquire and the loads

CASE(no_barrier_after_the_acquire) {
  // Each warp looks for itself whether the other block has arrived. Warp 0 acquires; warp 1 needs the barrier.
  expect_finding_and_clean_twin(HazardKind::kRace, 64, 2, [](bool buggy, int& line) {
    simt::store_global(row(block()) + thread(), 1u);
    simt::syncthreads();
    if (thread() == 0) arrive();
    if (!buggy) simt::syncthreads();
    if (has(peek(), 1 - block())) MARK(line), simt::load_global_coherent(row(1 - block()) + thread());
    if (buggy) simt::syncthreads();
  });
}

CASE(a_named_barrier_takes_to_its_warps_alone_what_was_acquired) {
  expect_finding_and_clean_twin(HazardKind::kRace, 96, 2, [](bool buggy, int& line) {
    const u32 warp = simt::warp_index();
    if (warp == 0) simt::store_global(row(block()) + thread(), 1u);
    simt::syncthreads();
    if (thread() == 0) arrive();
    if (warp == 0) simt::barrier_arrive(1, buggy ? 64 : 96);
    if (warp == 1 || (warp == 2 && !buggy)) simt::barrier_sync(1, buggy ? 64 : 96);
    if (warp && has(peek(), 1 - block())) MARK(line), simt::load_global_coherent(row(1 - block()) + thread() % 32);
  });
}

CASE(lanes_meet_before_one_of_them_releases) {
  expect_finding_and_clean_twin(HazardKind::kRace, 32, 2, [](bool buggy, int& line) {
    simt::store_global(row(block()) + thread(), 1u);
    if (!buggy) simt::syncwarp();
    const i32 before = simt::shuffle(thread() == 0 ? arrive() : 0, 0);
    simt::syncwarp();
    if (has(before, 1 - block())) MARK(line), simt::load_global_coherent(row(1 - block()) + thread());
  });
}

CASE(lanes_meet_after_one_of_them_acquired) {
  expect_finding_and_clean_twin(HazardKind::kRace, 32, 2, [](bool buggy, int& line) {
    simt::store_global(row(block()) + thread(), 1u);
    simt::syncwarp();
    const i32 before = simt::shuffle(thread() == 0 ? arrive() : 0, 0);  // carries the value and orders nothing
    if (!buggy) simt::syncwarp();
    if (has(before, 1 - block())) MARK(line), simt::load_global_coherent(row(1 - block()) + thread());
  });
}

CASE(one_lane_alone_needs_no_barrier) {
  for (const Order order : kOrders) {
    const Report report = run(
        fresh(32, 3),
        [] {
          if (thread() != 7) return;
          simt::store_global(row(block()), block());
          const i32 before = arrive(), again = arrive(1);
          for (u32 other = 0; other < 3; ++other) {
            if (has(before & again, other)) simt::load_global_coherent(row(other));
          }
        },
        order);
    if (!report.clean()) fail(describe(report), __LINE__);
  }
}

CASE(what_a_lane_acquired_goes_with_its_mbarrier_arrival) {
  expect_finding_and_clean_twin(HazardKind::kRace, 64, 2, [](bool buggy, int& line) {
    const u32 mbarrier = simt::shared_base();
    if (thread() == 0) simt::mbarrier_init(mbarrier, 1);
    simt::store_global(row(block()) + thread(), 1u);
    simt::syncthreads();
    if (thread() == 0) {
      if (buggy) simt::mbarrier_arrive(mbarrier);
      arrive();
      if (!buggy) simt::mbarrier_arrive(mbarrier);
    }
    if (simt::warp_index() == 0) return;
    simt::mbarrier_wait(mbarrier, 0);
    if (has(peek(), 1 - block())) MARK(line), simt::load_global_coherent(row(1 - block()) + thread());
  });
}

// ---- between blocks: counters, chains, what is loaded and stored afterwards

CASE(a_release_is_acquired_through_its_own_counter) {
  expect_finding_and_clean_twin(HazardKind::kRace, 32, 2, [](bool buggy, int& line) {
    simt::store_global(row(block()) + thread(), 1u);
    simt::syncwarp();
    if (thread() == 0) arrive(buggy ? int(block()) : 0);
    simt::syncwarp();
    const i32 arrived = peek(buggy ? int(1 - block()) : 0);
    if (has(arrived, 1 - block())) MARK(line), simt::load_global_coherent(row(1 - block()) + thread());
  });
}

// Block 0 hands over to block 1 through one counter, that to block 2 through another.
CASE(order_goes_through_a_chain_of_counters) {
  int line = 0;
  const auto kernel = [&](bool buggy) {
    if (block() == 0) simt::store_global(row(0) + thread(), 1u);
    simt::syncwarp();
    if (thread() == 0 && block() == 0) arrive(0);
    if (thread() == 0 && block() == 1) buggy ? peek(0) : arrive(0);
    if (thread() == 0 && block() >= 1) arrive(1);
    simt::syncwarp();
    if (block() == 2) MARK(line), simt::load_global_coherent(row(0) + thread());
  };
  const Report chain = run(fresh(32, 3), [&] { kernel(false); });
  if (!chain.clean()) fail(describe(chain), __LINE__);
  const Report broken = run(fresh(32, 3), [&] { kernel(true); });
  CHECK_EQUAL(broken.hazard_total, 32u);
  CHECK_EQUAL(int(broken.hazards[0].site.line), line);
}

// Blocks of one cluster run in turns, so that one may release again after another has acquired.
CASE(an_acquire_covers_the_releases_it_has_seen) {
  simt::host::GlobalOrder order;
  const auto release_at = [&](simt::u64 of_block, u32 epoch) {
    simt::host::GlobalOrder::Release release{of_block, {}, {}};
    release.warps.raise(1, epoch);
    return order.synchronise(64, release);
  };
  const auto early = release_at(3, 5), late = release_at(3, 9);
  CHECK(order.before({3, 1, 5}, early));
  CHECK(!order.before({3, 1, 6}, early));
  CHECK(order.before({3, 1, 9}, late));
  CHECK(!order.before({3, 1, 10}, late));
  CHECK(!order.before({3, 2, 1}, late));
  CHECK(!order.before({4, 1, 1}, late));
}

// Relaxed updates of others in between keep the release in sight; they acquire nothing for those who make them.
CASE(a_release_is_seen_through_updates_by_others) {
  const Report report = run(fresh(32, 3), [] {
    if (block() == 0) simt::store_global(row(0) + thread(), 1u);
    simt::syncwarp();
    if (thread() == 0) block() == 1 ? peek() : arrive();
    simt::syncwarp();
    if (block() == 2) simt::load_global_coherent(row(0) + thread());
  });
  if (!report.clean()) fail(describe(report), __LINE__);
}

CASE(a_store_over_what_another_block_stored) {
  expect_finding_and_clean_twin(HazardKind::kRace, 32, 2, [](bool buggy, int& line) {
    const auto mine = row(buggy ? 0 : block()) + thread();
    MARK(line), simt::store_global(mine, 1u);
    simt::syncwarp();
    const i32 before = simt::shuffle(thread() == 0 ? arrive() : 0, 0);
    simt::syncwarp();
    if (!has(before, 1 - block())) return;
    const auto theirs = row(1 - block()) + thread();
    if (!buggy) simt::store_global(theirs, simt::load_global_coherent(theirs) + 1);  // and again, after its own load
    if (!buggy) simt::store_global(theirs, simt::load_global_coherent(theirs) + 1);
  });
}

// Block 1 loads what block 0 stored; block 2 knows of the store and not of the load.
CASE(a_store_over_what_another_block_has_loaded) {
  for (const bool buggy : {true, false}) {
    int line = 0;
    const Report report = run(fresh(32, 3), [&] {
      if (block() == 0) simt::store_global(row(0) + thread(), 1u);
      simt::syncwarp();
      if (thread() == 0) arrive();
      simt::syncwarp();
      if (block() == 1 && buggy) simt::load_global_coherent(row(0) + thread());
      if (block() == 2 && thread() % 2) simt::load_global_coherent(row(0) + thread());  // its own load is no hindrance
      if (block() == 2) MARK(line), simt::store_global(row(0) + thread(), 2u);
    });
    CHECK_EQUAL(report.hazard_total, buggy ? 32u : 0u);
    if (buggy) CHECK(report.has(HazardKind::kRace) && int(report.hazards[0].site.line) == line);
  }
}

CASE(several_blocks_may_load_what_they_acquired) {
  expect_finding_and_clean_twin(HazardKind::kRace, 32, 4, [](bool buggy, int& line) {
    if (thread() == 0) simt::store_global(row(block()), 1u);
    const i32 before = thread() == 0 ? buggy ? simt::atomic_add_global(counter(), 1 << block()) : arrive() : 0;
    for (u32 other = 0; other < 4; ++other) {
      if (has(before, other)) MARK(line), simt::load_global_coherent(row(other));
    }
  });
}

CASE(coherent_loads_of_every_size) {
  static bool right;
  right = false;
  const Report report = run(fresh(32, 2), [] {
    if (block() == 0) simt::store_global(row(0) + thread(), thread() + 1);
    simt::syncwarp();
    if (thread() == 0) arrive();
    simt::syncwarp();
    if (block() == 0 || thread() != 0) return;
    const u32 four = simt::load_global_coherent(row(0) + 1);
    const auto eight = simt::load_global_coherent((row(0) + 2).as<simt::Vector<u32, 2>>());
    const auto sixteen = simt::load_global_coherent((row(0) + 4).as<simt::Vector<u32, 4>>());
    right = four == 2 && eight[0] == 3 && eight[1] == 4 && sixteen[0] == 5 && sixteen[3] == 8;
  });
  if (!report.clean()) fail(describe(report), __LINE__);
  CHECK(right);
}

CASE(asynchronous_copies_load_what_was_acquired) {
  expect_finding_and_clean_twin(HazardKind::kRace, 32, 2, [](bool buggy, int& line) {
    if (thread() < 8) simt::store_global(row(block()).as<Bytes16>() + thread(), Bytes16{});
    simt::syncwarp();
    const i32 before = simt::shuffle(thread() == 0 ? arrive() : 0, 0);
    if (!buggy) simt::syncwarp();
    if (!has(before, 1 - block()) || thread() >= 8) return;
    MARK(line), simt::copy_async<16>(simt::shared_base() + 16 * thread(), row(1 - block()).as<Bytes16>() + thread(), 16);
    simt::copy_async_commit();
    simt::copy_async_wait<0>();
  });
}

// The asynchronous proxy takes no part in this order: what it stores for others, and loads of theirs, stays a race.
CASE(bulk_copies_are_not_ordered) {
  for (const bool buggy : {true, false}) {
    const Report report = run(fresh(32, 2), [=] {
      const u32 box = simt::shared_base();
      simt::store_shared<u32>(box + 4 * thread(), 1);
      simt::fence_proxy_async();
      if (thread() == 0) {
        if (buggy) simt::bulk_store(row(block()), box, 128);
        simt::bulk_commit();
        simt::bulk_wait<0>();
        if (!buggy) simt::store_global(row(block()), 1u);
        if (has(arrive(), 1 - block())) simt::load_global_coherent(row(1 - block()));
      }
    });
    CHECK(buggy ? report.has(HazardKind::kRace) : report.clean());
  }
}
