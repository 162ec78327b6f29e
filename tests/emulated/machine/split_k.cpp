// The block that arrives last adds up what the others stored: values, planted mistakes with their clean twins, and the same
// findings for any number of OS threads.
#include "global_order.hpp"

using namespace machine_tests;

namespace {

enum class Mistake { kNone, kNoBarrierBefore, kRelaxed, kStoreAfterwards, kReadOnlyPath, kLoadWithoutArriving };

u32 partial(u32 of_block, u32 of_thread) { return 1000 * of_block + of_thread * of_thread; }

// Split-K in small: every block stores a row, and the one that arrives last adds them up, each thread a column that another
// warp has stored. It leaves the counter as it was.
void add_up(Mistake mistake, int& line) {
  const i32 blocks = i32(simt::grid_size_x());
  const auto store = [] { simt::store_global(row(block()) + thread(), partial(block(), thread())); };
  const bool late = mistake == Mistake::kStoreAfterwards && thread() == 0;
  if (!late) store();
  if (mistake != Mistake::kNoBarrierBefore) simt::syncthreads();
  bool last = false;
  if (mistake == Mistake::kLoadWithoutArriving)
    last = block() == 0;
  else if (thread() == 0 && mistake == Mistake::kRelaxed)
    last = simt::atomic_add_global(counter(), 1) == blocks - 1;
  else if (thread() == 0)
    last = simt::atomic_add_global_acq_rel(counter(), 1) == blocks - 1;
  if (late) store();
  if (!simt::syncthreads_or(last)) return;
  const u32 column = (thread() + 37) % kThreads;
  u32 sum = 0;
  for (u32 other = 0; other < u32(blocks); ++other) {
    const auto from = row(other) + column;
    const bool read_only = mistake == Mistake::kReadOnlyPath;
    MARK(line), sum += read_only ? simt::load_global(from) : simt::load_global_coherent(from);
  }
  simt::store_global(global(sums) + column, sum);
  if (thread() == 0) simt::atomic_add_global(counter(), -blocks);
}

void expect_mistake_found(Mistake mistake, HazardKind kind, std::source_location caller = std::source_location::current()) {
  expect_finding_and_clean_twin(
      kind, kThreads, kBlocks, [=](bool buggy, int& line) { add_up(buggy ? mistake : Mistake::kNone, line); }, caller);
}

}  // namespace

CASE(the_last_block_sees_all_rows) {
  for (const Order order : kOrders) {
    for (const int os_threads : {1, 2, 4}) {
      int line;
      const Report report = run(fresh(kThreads, kBlocks), [&] { add_up(Mistake::kNone, line); }, order, os_threads);
      if (!report.clean()) fail(describe(report), __LINE__);
      CHECK_EQUAL(counters[0], 0);
      for (u32 i = 0; i < kThreads; ++i) {
        u32 want = 0;
        for (u32 other = 0; other < kBlocks; ++other) want += partial(other, i);
        CHECK_EQUAL(sums[i], want);
      }
    }
  }
}

CASE(no_barrier_before_the_release) { expect_mistake_found(Mistake::kNoBarrierBefore, HazardKind::kRace); }
CASE(relaxed_atomics_order_nothing) { expect_mistake_found(Mistake::kRelaxed, HazardKind::kRace); }
CASE(a_store_after_the_release) { expect_mistake_found(Mistake::kStoreAfterwards, HazardKind::kRace); }
CASE(rows_loaded_by_the_read_only_path) { expect_mistake_found(Mistake::kReadOnlyPath, HazardKind::kReadOnlyPath); }

// Which comes second is reported: the stores of blocks that come after the load, or the load of what blocks before it stored.
CASE(rows_loaded_without_arriving) {
  int line = 0;
  const auto kernel = [&] { add_up(Mistake::kLoadWithoutArriving, line); };
  const Report first = run(fresh(kThreads, kBlocks), kernel, Order::kForward);
  CHECK(first.has(HazardKind::kUninitialisedRead));
  CHECK(first.has(HazardKind::kRace));
  const Report last = run(fresh(kThreads, kBlocks), kernel, Order::kReverse);
  CHECK_EQUAL(last.hazard_total, simt::u64{(kBlocks - 1) * kThreads});
  for (const auto& hazard : last.hazards) CHECK(hazard.kind == HazardKind::kRace && int(hazard.site.line) == line);
}

CASE(findings_do_not_depend_on_os_threads) {
  for (const Mistake mistake : {Mistake::kNoBarrierBefore, Mistake::kRelaxed, Mistake::kStoreAfterwards}) {
    for (const Order order : kOrders) {
      int line;
      const auto kernel = [&] { add_up(mistake, line); };
      const Report one = run(fresh(kThreads, kBlocks), kernel, order, 1);
      CHECK(!one.clean());
      for (int round = 0; round < 10; ++round) {
        const Report several = run(fresh(kThreads, kBlocks), kernel, order, 4);
        CHECK(describe(several) == describe(one));
        CHECK_EQUAL(several.hazards[0].block, one.hazards[0].block);
      }
    }
  }
}

CASE(blocks_start_in_the_order_of_warps) {
  for (const Order order : kOrders) {
    for (const int os_threads : {1, 4}) {
      const Report report = run(
          fresh(32, kBlocks),
          [] {
            if (thread() == 0) simt::store_global(row(0) + block(), u32(simt::atomic_add_global(counter(), 1)));
          },
          order, os_threads);
      CHECK(report.clean());
      CHECK_EQUAL(rows[0], order == Order::kForward ? 0u : order == Order::kReverse ? kBlocks - 1 : rows[0]);
      std::sort(rows, rows + kBlocks);
      for (u32 i = 0; i < kBlocks; ++i) CHECK_EQUAL(rows[i], i);
    }
  }
}
