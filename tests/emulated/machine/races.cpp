// Races, in shared memory, with asynchronous copies, and between blocks: each planted bug is found at its line in every order.
#include "harness.hpp"

using namespace machine_tests;

namespace {

// One source position for either access: where the order decides which of two comes second and is reported, both must be here.
void load_or_store(bool stores, u32 address, SIMT_SITE) {
  if (stores)
    simt::store_shared<u32>(address, 1, site);
  else
    simt::load_shared<u32>(address, site);
}
void load_or_add(bool loads, u32 address, SIMT_SITE) {
  if (loads)
    simt::load_shared<u32>(address, site);
  else
    simt::atomic_add_shared(address, 1, site);
}

}  // namespace

// ---- races in shared memory

CASE(race_between_lanes_of_a_warp) {
  expect_bug_and_clean_twin(HazardKind::kRace, Setup{}, [](bool buggy, int& line) {
    simt::store_shared<u32>(shared_word(thread()), thread());
    simt::syncwarp();
    if (thread() % 2 == 0 && !buggy) simt::store_shared<u32>(shared_word(thread()), 1);
    if (!buggy) simt::syncwarp();
    const bool stores = buggy && thread() % 2 == 0;
    MARK(line), load_or_store(stores, shared_word(stores ? thread() : thread() ^ 1));
  });
}

CASE(race_between_warps) {
  expect_bug_and_clean_twin(HazardKind::kRace, Setup{.threads = 64}, [](bool buggy, int& line) {
    const u32 lane = simt::lane_index();
    if (simt::warp_index() == 0) simt::store_shared<u32>(shared_word(lane), 1);
    simt::syncthreads();
    if (!buggy && simt::warp_index() == 0) simt::store_shared<u32>(shared_word(lane), 2);
    if (!buggy) simt::syncthreads();
    MARK(line), load_or_store(buggy && simt::warp_index() == 0, shared_word(lane));
  });
}

CASE(race_of_all_lanes_writing_one_word) {
  expect_bug_and_clean_twin(HazardKind::kRace, Setup{}, [](bool buggy, int& line) {
    if (buggy || thread() == 0) MARK(line), simt::store_shared<u32>(shared_word(0), 7);
  });
}

CASE(race_when_a_reader_stays_out_of_a_named_barrier) {
  expect_bug_and_clean_twin(HazardKind::kRace, Setup{.threads = 96}, [](bool buggy, int& line) {
    const int participants = buggy ? 64 : 96;
    const u32 warp = simt::warp_index(), lane = simt::lane_index();
    if (warp == 0) simt::store_shared<u32>(shared_word(lane), 1);
    simt::syncthreads();
    if (warp == 1 || (warp == 2 && !buggy)) simt::barrier_sync(1, participants);
    MARK(line), load_or_store(warp == 0, shared_word(lane));
    if (warp == 0) simt::barrier_arrive(1, participants);
  });
}

CASE(race_of_a_plain_read_with_an_atomic) {
  expect_bug_and_clean_twin(HazardKind::kRace, Setup{.threads = 64}, [](bool buggy, int& line) {
    if (thread() == 0) simt::store_shared<u32>(shared_word(0), 0);
    simt::syncthreads();
    if (!buggy) simt::atomic_add_shared(shared_word(0), 1);
    if (!buggy) simt::syncthreads();
    if (buggy || thread() == 5) MARK(line), load_or_add(thread() == 5, shared_word(0));
  });
}

CASE(atomics_of_all_threads_add_up) {
  static simt::i32 sum;
  expect_clean({.threads = 96}, [] {
    if (thread() == 0) simt::store_shared<u32>(shared_word(0), 0);
    simt::syncthreads();
    simt::atomic_add_shared(shared_word(0), simt::i32(thread()));
    simt::syncthreads();
    if (thread() == 7) sum = simt::load_shared<simt::i32>(shared_word(0));
  });
  CHECK_EQUAL(sum, 95 * 48);
}

// ---- asynchronous copies

CASE(read_of_bytes_in_flight) {
  static Bytes16 source[32];
  expect_bug_and_clean_twin(HazardKind::kReadInFlight, (Setup{.memory = {input(source)}}), [](bool buggy, int& line) {
    const u32 mine = simt::shared_base() + 16 * thread();
    simt::copy_async<16>(mine, global(source) + thread(), 16);
    simt::copy_async_commit();
    simt::copy_async<16>(mine + 512, global(source) + thread(), 16);
    simt::copy_async_commit();
    // One group may stay in flight where both are needed.
    if (buggy)
      simt::copy_async_wait<1>();
    else
      simt::copy_async_wait<0>();
    MARK(line), simt::load_shared<u32>(mine + 512);
    simt::copy_async_wait<0>();
  });
}

CASE(write_to_bytes_in_flight) {
  static Bytes16 source[32];
  expect_bug_and_clean_twin(HazardKind::kWriteInFlight, (Setup{.memory = {input(source)}}), [](bool buggy, int& line) {
    const u32 mine = simt::shared_base() + 16 * thread();
    simt::copy_async<16>(mine, global(source) + thread(), 16);
    simt::copy_async_commit();
    if (!buggy) simt::copy_async_wait<0>();
    MARK(line), simt::store_shared<u32>(mine, 1);
    simt::copy_async_wait<0>();
  });
}

CASE(landed_copy_needs_a_barrier_for_other_warps) {
  static Bytes16 source[64];
  expect_bug_and_clean_twin(HazardKind::kRace, (Setup{.threads = 64, .memory = {input(source)}}), [](bool buggy, int& line) {
    const u32 base = simt::shared_base();
    simt::copy_async<16>(base + 16 * thread(), global(source) + thread(), 16);
    simt::copy_async_commit();
    simt::copy_async_wait<0>();
    if (!buggy) simt::syncthreads();
    MARK(line), simt::load_shared<u32>(base + 16 * (thread() ^ 32));
  });
}

CASE(copy_still_in_flight_at_exit) {
  static Bytes16 source[32];
  expect_bug_and_clean_twin(HazardKind::kCopyAtExit, (Setup{.memory = {input(source)}}), [](bool buggy, int& line) {
    MARK(line), simt::copy_async<16>(simt::shared_base() + 16 * thread(), global(source) + thread(), 16);
    simt::copy_async_commit();
    if (!buggy) simt::copy_async_wait<0>();
  });
}

CASE(copies_of_what_does_not_exist_are_zeros) {
  static Bytes16 source[16];  // half as many as threads
  static u32 copied[32];
  for (u32 i = 0; i < 16; ++i) source[i] = {{i + 1, i + 1, i + 1, i + 1}};
  expect_clean({.memory = {input(source)}}, [] {
    const u32 mine = simt::shared_base() + 16 * thread();
    simt::copy_async_or_zeros(mine, global(source) + thread(), thread() < 16);
    simt::copy_async_commit();
    simt::copy_async_wait<0>();
    copied[thread()] = simt::load_shared<u32>(mine + 12);
  });
  for (u32 i = 0; i < 32; ++i) CHECK_EQUAL(copied[i], i < 16 ? i + 1 : 0);
}

CASE(copies_land_late_and_zero_fill) {
  static Bytes16 source[32];
  for (u32 i = 0; i < 32; ++i) source[i] = {{i, i + 100, i + 200, i + 300}};
  static u32 first[32], last[32];
  expect_clean({.memory = {input(source)}}, [] {
    const u32 mine = simt::shared_base() + 16 * thread();
    simt::copy_async<16>(mine, global(source) + thread(), 8);
    simt::copy_async_commit();
    simt::copy_async_wait<0>();
    first[thread()] = simt::load_shared<u32>(mine + 4);
    last[thread()] = simt::load_shared<u32>(mine + 8);
  });
  for (u32 i = 0; i < 32; ++i) {
    CHECK_EQUAL(first[i], i + 100);
    CHECK_EQUAL(last[i], 0u);
  }
}

// ---- blocks against each other: nothing orders them but the end of the launch

namespace {

enum class Touch { kStore, kCopy, kAtomic };
constexpr Touch kTouches[] = {Touch::kStore, Touch::kCopy, Touch::kAtomic};

void touch(Touch how, simt::Global<simt::i32> p, SIMT_SITE) {
  switch (how) {
    case Touch::kStore: return simt::store_global(p, 1, site);
    case Touch::kCopy: return simt::copy_async<4>(shared_word(thread()), p, 4, site);
    case Touch::kAtomic: simt::atomic_add_global(p, 1, site);
  }
}

}  // namespace

CASE(two_blocks_touch_the_same_bytes) {
  static simt::i32 buffer[64];
  for (const Touch first : kTouches) {
    for (const Touch second : kTouches) {
      const Setup setup{.blocks = 2, .memory = {input_and_output(buffer)}};
      const auto kernel = [=](bool shared, int& line) {
        const u32 block = simt::block_index_x();
        MARK(line), touch(block ? second : first, global(buffer) + thread() + (shared ? 0 : 32 * block));
        simt::copy_async_commit();
        simt::copy_async_wait<0>();
      };
      int line = 0;
      expect_clean(setup, [&] { kernel(false, line); });
      if (first == second && first != Touch::kStore)  // readers agree, and so do atomics
        expect_clean(setup, [&] { kernel(true, line); });
      else
        expect_caught(HazardKind::kRace, line, setup, [&] { kernel(true, line); }, __LINE__);
    }
  }
}

CASE(one_block_may_touch_its_bytes_as_it_likes) {
  static simt::i32 buffer[64];
  for (const Touch first : kTouches) {
    for (const Touch second : kTouches) {
      if (first == Touch::kAtomic && second != Touch::kAtomic) continue;  // others may be updating still
      expect_clean({.blocks = 2, .memory = {input_and_output(buffer)}}, [=] {
        const auto mine = global(buffer) + 32 * simt::block_index_x() + thread();
        for (const Touch how : {first, second}) {
          touch(how, mine);
          simt::copy_async_commit();
          simt::copy_async_wait<0>();
        }
      });
    }
  }
}

CASE(atomics_of_many_blocks_add_up) {
  static simt::i32 sum;
  for (const int threads : {1, 2}) {
    sum = 0;
    const Report report = run(
        {.blocks = 50, .memory = {input_and_output(sum)}},
        [] { simt::atomic_add_global({reinterpret_cast<simt::u64>(&sum)}, simt::i32(thread())); }, Order::kForward, threads);
    CHECK(report.clean());
    CHECK_EQUAL(sum, 50 * 31 * 16);
  }
}
