// Clusters: blocks that run together, reach each other's shared memory, and the misuse of either; registers that move between
// warpgroups.
#include "harness.hpp"

using namespace machine_tests;

namespace {

u32 word(u32 index) { return simt::shared_base() + 64 + 4 * index; }
u32 mbarrier(u32 index) { return simt::shared_base() + 8 * index; }
void cluster_sync() {
  simt::cluster_arrive();
  simt::cluster_wait();
}

}  // namespace

CASE(cluster_blocks_know_their_rank_and_read_each_other) {
  static u32 seen[8][32];
  expect_clean({.blocks = 8, .cluster = 4}, [] {
    const u32 rank = simt::cluster_rank();
    simt::store_shared<u32>(word(thread()), 1000 * simt::block_index_x() + thread());
    cluster_sync();
    const u32 next = (rank + 1) % simt::cluster_size();
    seen[simt::block_index_x()][thread()] = simt::load_shared_cluster<u32>(simt::map_shared_rank(word(thread()), next));
    cluster_sync();
  });
  for (u32 block = 0; block < 8; ++block) {
    for (u32 i = 0; i < 32; ++i) CHECK_EQUAL(seen[block][i], 1000 * (block / 4 * 4 + (block + 1) % 4) + i);
  }
}

CASE(cluster_blocks_write_each_other) {
  static u32 seen[2];
  expect_clean({.blocks = 2, .cluster = 2}, [] {
    const u32 other = simt::cluster_rank() ^ 1;
    if (thread() == 0) simt::store_shared_cluster<u32>(simt::map_shared_rank(word(0), other), 7 + simt::cluster_rank());
    cluster_sync();
    if (thread() == 3) seen[simt::block_index_x()] = simt::load_shared<u32>(word(0));
  });
  CHECK_EQUAL(seen[0], 8u);
  CHECK_EQUAL(seen[1], 7u);
}

// Thread t of each block writes its own word t, which thread t of the other block reads; then it may write again.
CASE(cluster_mbarrier_counts_arrivals_of_other_blocks) {
  static u32 seen[2];
  expect_clean({.blocks = 2, .cluster = 2}, [] {
    if (thread() == 0) {
      simt::mbarrier_init(mbarrier(0), 32);
      simt::fence_mbarrier_init();
    }
    simt::store_shared<u32>(word(thread()), 100 * simt::cluster_rank() + thread());
    cluster_sync();
    const u32 other = simt::cluster_rank() ^ 1;
    const u32 value = simt::load_shared_cluster<u32>(simt::map_shared_rank(word(31 - thread()), other));
    simt::mbarrier_arrive_cluster(simt::map_shared_rank(mbarrier(0), other));
    simt::mbarrier_wait(mbarrier(0), 0);
    simt::store_shared<u32>(word(thread()), 7);
    if (thread() == 1) seen[simt::cluster_rank()] = value;
    cluster_sync();
  });
  CHECK_EQUAL(seen[0], 130u);
  CHECK_EQUAL(seen[1], 30u);
}

// An arrival at another block's mbarrier releases within the own block only: what was stored into the other takes more.
CASE(cluster_mbarrier_hands_on_no_stores) {
  expect_bug_and_clean_twin(HazardKind::kRace, {.blocks = 2, .cluster = 2}, [](bool buggy, int& line) {
    if (thread() == 0) {
      simt::mbarrier_init(mbarrier(0), 32);
      simt::fence_mbarrier_init();
    }
    cluster_sync();
    const u32 other = simt::cluster_rank() ^ 1;
    simt::store_shared_cluster<u32>(simt::map_shared_rank(word(thread()), other), thread());
    if (!buggy) cluster_sync();
    simt::mbarrier_arrive_cluster(simt::map_shared_rank(mbarrier(0), other));
    simt::mbarrier_wait(mbarrier(0), 0);
    MARK(line), simt::load_shared<u32>(word(31 - thread()));
    cluster_sync();
  });
}

CASE(cluster_race_between_blocks) {
  expect_bug_and_clean_twin(HazardKind::kRace, {.blocks = 2, .cluster = 2}, [](bool buggy, int& line) {
    const bool writes = simt::cluster_rank() == 0;
    if (writes) simt::store_shared<u32>(word(thread()), 1);
    cluster_sync();
    const u32 address = simt::map_shared_rank(word(thread()), 0);
    if (!writes && !buggy) cluster_sync();
    MARK(line), writes ? simt::store_shared_cluster<u32>(address, 2) : void(simt::load_shared_cluster<u32>(address));
    if (writes || buggy) cluster_sync();
    cluster_sync();
  });
}

CASE(cluster_mbarrier_of_another_block_without_fence) {
  expect_bug_and_clean_twin(HazardKind::kMbarrier, {.blocks = 2, .cluster = 2}, [](bool buggy, int& line) {
    if (thread() == 0) {
      simt::mbarrier_init(mbarrier(0), 1);
      if (!buggy) simt::fence_mbarrier_init();
    }
    cluster_sync();
    if (thread() == 0) MARK(line), simt::mbarrier_arrive_cluster(simt::map_shared_rank(mbarrier(0), simt::cluster_rank() ^ 1));
    cluster_sync();
  });
}

CASE(cluster_block_that_has_returned_is_reached_for) {
  // The first to return depends on the order, so either may reach for the other.
  expect_bug_and_clean_twin(HazardKind::kPeerExited, {.blocks = 2, .cluster = 2}, [](bool buggy, int& line) {
    const u32 other = simt::map_shared_rank(word(thread()), simt::cluster_rank() ^ 1);
    simt::store_shared<u32>(word(thread()), 1);
    cluster_sync();
    MARK(line), simt::load_shared_cluster<u32>(other);
    if (!buggy) cluster_sync();
  });
}

// Found even where the other block happens to be quick enough.
CASE(cluster_block_that_may_return_before_it_is_reached_for) {
  expect_bug_and_clean_twin(HazardKind::kPeerExited, {.blocks = 2, .cluster = 2}, [](bool buggy, int& line) {
    if (thread() == 0) {
      simt::mbarrier_init(mbarrier(0), 1);
      simt::fence_mbarrier_init();
    }
    cluster_sync();
    const u32 other = simt::map_shared_rank(mbarrier(0), simt::cluster_rank() ^ 1);
    if (thread() == 0) MARK(line), simt::mbarrier_arrive_cluster(other);
    if (!buggy) simt::mbarrier_wait(mbarrier(0), 0);
  });
}

CASE(cluster_rank_that_does_not_exist) {
  expect_bug_and_clean_twin(HazardKind::kSharedOutOfBounds, {.blocks = 2, .cluster = 2}, [](bool buggy, int& line) {
    simt::store_shared<u32>(word(thread()), 1);
    cluster_sync();
    MARK(line), simt::load_shared_cluster<u32>(simt::map_shared_rank(word(thread()), buggy ? 2 : 1));
    cluster_sync();
  });
}

CASE(cluster_barrier_arrived_at_twice) {
  expect_bug_and_clean_twin(HazardKind::kBarrierMismatch, {.blocks = 2, .cluster = 2}, [](bool buggy, int& line) {
    simt::cluster_arrive();
    if (!buggy) simt::cluster_wait();
    MARK(line), simt::cluster_arrive();
    simt::cluster_wait();
  });
}

CASE(cluster_barrier_waited_for_without_arriving) {
  expect_bug_and_clean_twin(HazardKind::kBarrierMismatch, {.blocks = 2, .cluster = 2}, [](bool buggy, int& line) {
    if (!buggy) simt::cluster_arrive();
    MARK(line), simt::cluster_wait();
  });
}

CASE(cluster_that_does_not_divide_the_grid_is_refused) {
  CHECK(run({.blocks = 3, .cluster = 2}, [] {}).has(HazardKind::kLaunch));
  CHECK(run({.blocks = 32, .cluster = 32}, [] {}).has(HazardKind::kLaunch));
  CHECK(run({.blocks = 2, .cluster = 2}, [] {}).clean());
}

// ---- registers

CASE(registers_given_back_can_be_taken) {
  const Setup setup{.threads = 384};
  const auto kernel = [](bool gives) {
    const u32 group = thread() / 128;
    if (group == 0 && gives) simt::decrease_max_registers<40>();
    if (group > 0) simt::increase_max_registers<232>();
  };
  expect_clean(setup, [&] { kernel(true); });
  CHECK(run(setup, [&] { kernel(false); }).has(HazardKind::kDeadlock));
}

CASE(registers_increased_by_a_decrease) {
  expect_bug_and_clean_twin(HazardKind::kRegisterCount, {.threads = 384}, [](bool buggy, int& line) {
    if (buggy)
      MARK(line), simt::decrease_max_registers<240>();
    else
      simt::decrease_max_registers<160>();
  });
}

CASE(registers_set_by_some_warps_of_a_warpgroup) {
  expect_bug_and_clean_twin(HazardKind::kDivergentCollective, {.threads = 128}, [](bool buggy, int& line) {
    const bool odd = buggy && simt::warp_index() == 2;
    MARK(line), odd ? simt::decrease_max_registers<32>() : simt::decrease_max_registers<40>();
  });
}
