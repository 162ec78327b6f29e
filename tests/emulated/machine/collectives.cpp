// What barriers, shuffles, votes and reductions compute, and how blocks are scheduled.
#include <set>
#include <stdexcept>

#include "harness.hpp"

using namespace machine_tests;

namespace {

// Runs `kernel(lane)` on one warp and returns what each lane returned.
template <class F>
std::vector<int> per_lane(F&& kernel, Order order) {
  std::vector<int> results(32);
  const Report report = run(
      {},
      [&] {
        const int lane = int(simt::lane_index());
        results[std::size_t(lane)] = int(kernel(lane));
      },
      order);
  if (!report.clean()) fail(describe(report), __LINE__);
  return results;
}

template <class F, class G>
void expect_lanes(F&& kernel, G&& want, int line) {
  for (const Order order : kOrders) {
    const auto got = per_lane(kernel, order);
    for (int lane = 0; lane < 32; ++lane) {
      if (got[std::size_t(lane)] != int(want(lane)))
        fail("lane " + std::to_string(lane) + " got " + std::to_string(got[std::size_t(lane)]), line);
    }
  }
}

}  // namespace

CASE(shuffles) {
  expect_lanes([](int lane) { return simt::shuffle(lane * lane, 7); }, [](int) { return 49; }, __LINE__);
  expect_lanes([](int lane) { return simt::shuffle(lane, lane + 40); }, [](int lane) { return (lane + 40) % 32; }, __LINE__);
  expect_lanes([](int lane) { return simt::shuffle_xor(lane, 5); }, [](int lane) { return lane ^ 5; }, __LINE__);
  expect_lanes([](int lane) { return simt::shuffle_up(lane, 3); }, [](int lane) { return lane < 3 ? lane : lane - 3; },
               __LINE__);
  expect_lanes([](int lane) { return simt::shuffle_down(lane, 3); }, [](int lane) { return lane > 28 ? lane : lane + 3; },
               __LINE__);
  expect_lanes([](int lane) { return int(simt::shuffle_xor(float(lane) + 0.5f, 1) * 2); },
               [](int lane) { return (lane ^ 1) * 2 + 1; }, __LINE__);
}

CASE(votes) {
  expect_lanes([](int lane) { return simt::ballot(lane % 3 == 0); }, [](int) { return 0x49249249u; }, __LINE__);
  expect_lanes([](int lane) { return simt::any(lane == 31) * 2 + simt::all(lane < 31); }, [](int) { return 2; }, __LINE__);
  expect_lanes([](int lane) { return simt::any(lane > 31) * 2 + simt::all(lane < 32); }, [](int) { return 1; }, __LINE__);
}

CASE(reductions) {
  expect_lanes([](int lane) { return simt::reduce_add(lane - 10); }, [](int) { return 496 - 320; }, __LINE__);
  expect_lanes([](int lane) { return simt::reduce_min(lane - 10); }, [](int) { return -10; }, __LINE__);
  expect_lanes([](int lane) { return simt::reduce_max(-lane); }, [](int) { return 0; }, __LINE__);
  expect_lanes([](int lane) { return simt::reduce_and(~(1u << lane % 4)); }, [](int) { return ~0xFu; }, __LINE__);
  expect_lanes([](int lane) { return simt::reduce_or(1u << lane % 7); }, [](int) { return 0x7F; }, __LINE__);
  expect_lanes([](int lane) { return simt::reduce_xor(u32(lane)); }, [](int) { return 0; }, __LINE__);
  expect_lanes([](int lane) { return simt::reduce_add(lane == 0 ? 0x7FFFFFFF : lane == 1); },
               [](int) { return -0x7FFFFFFF - 1; }, __LINE__);
}

CASE(barriers_that_reduce) {
  static int counts[96], flags[96];
  expect_clean({.threads = 96}, [] {
    const u32 t = simt::thread_index();
    counts[t] = simt::syncthreads_count(t % 5 == 0);
    flags[t] = simt::syncthreads_and(t < 96) * 4 + simt::syncthreads_and(t != 50) * 2 + simt::syncthreads_or(t == 50);
  });
  for (int t = 0; t < 96; ++t) {
    CHECK_EQUAL(counts[t], 20);
    CHECK_EQUAL(flags[t], 5);
  }
}

CASE(indices) {
  static std::set<u32> seen;
  seen.clear();
  simt::host::GlobalMemory memory;
  const simt::host::LaunchShape shape{{3, 4, 5}, 64, 0};
  simt::host::Options options;
  options.threads = 1;
  const Report report = simt::host::launch(shape, memory, options, [] {
    CHECK_EQUAL(simt::grid_size_x() * 100 + simt::grid_size_y() * 10 + simt::grid_size_z(), 345u);
    CHECK_EQUAL(simt::block_size(), 64u);
    CHECK_EQUAL(simt::warp_index() * 32 + simt::lane_index(), simt::thread_index());
    seen.insert(((simt::block_index_z() * 4 + simt::block_index_y()) * 3 + simt::block_index_x()) * 64 + simt::thread_index());
  });
  CHECK(report.clean());
  CHECK_EQUAL(seen.size(), std::size_t{60 * 64});
  CHECK_EQUAL(*seen.rbegin(), 60u * 64 - 1);
  CHECK_EQUAL(report.counts.blocks, 60u);
}

CASE(orders_differ) {
  // The first warp to run tells the order: a racy kernel sees what a correct one cannot.
  static int first;
  const auto first_warp = [](Order order) {
    first = -1;
    run(
        {.threads = 128},
        [] {
          if (first < 0) first = int(simt::thread_index());
        },
        order);
    return first;
  };
  CHECK_EQUAL(first_warp(Order::kForward), 0);
  CHECK_EQUAL(first_warp(Order::kReverse), 127);
}

CASE(random_order_depends_on_the_seed_only) {
  const auto trace = [](std::uint64_t seed, int os_threads) {
    static std::vector<std::vector<u32>> order;
    order.assign(4, {});
    simt::host::GlobalMemory memory;
    simt::host::Options options;
    options.order = Order::kRandom;
    options.seed = seed;
    options.threads = os_threads;
    simt::host::launch({{4}, 128, 0}, memory, options, [] {
      for (int i = 0; i < 3; ++i) {
        order[simt::block_index_x()].push_back(simt::thread_index());
        simt::syncwarp();
      }
    });
    return order;
  };
  CHECK(trace(1, 1) == trace(1, 2));
  CHECK(trace(1, 1) != trace(2, 1));
}

CASE(exceptions_leave_the_launch) {
  for (const int os_threads : {1, 2}) {
    bool thrown = false;
    try {
      run(
          {.threads = 64, .blocks = 8},
          [] {
            if (simt::thread_index() == 40 && simt::block_index_x() == 3) throw std::runtime_error("kernel");
            simt::syncthreads();
          },
          Order::kForward, os_threads);
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    CHECK(thrown);
  }
  CHECK(run({.threads = 64}, [] { simt::syncthreads(); }).clean());  // the machine is as good as new
}

CASE(destructors_run_when_a_block_is_aborted) {
  static int alive;
  struct Guard {
    Guard() { ++alive; }
    ~Guard() { --alive; }
  };
  alive = 0;
  const Report report = run({.threads = 64}, [] {
    const Guard guard;
    if (simt::warp_index() == 0) simt::syncthreads();
  });
  CHECK(report.has(HazardKind::kDeadlock));
  CHECK_EQUAL(alive, 0);
}

CASE(findings_do_not_depend_on_the_number_of_os_threads) {
  const auto launch = [](int os_threads) {
    return run(
        {.threads = 64, .shared_bytes = 1024, .blocks = 40},
        [] {
          simt::store_shared<u32>(simt::shared_base() + 4 * simt::thread_index(), 1);
          if (simt::block_index_x() % 7 == 3) simt::load_shared<u32>(simt::shared_base() + 4 * (simt::thread_index() ^ 1));
        },
        Order::kForward, os_threads);
  };
  const Report one = launch(1), two = launch(2);
  CHECK_EQUAL(one.hazard_total, two.hazard_total);
  CHECK_EQUAL(one.hazards.size(), two.hazards.size());
  for (std::size_t i = 0; i < one.hazards.size(); ++i) {
    CHECK_EQUAL(one.hazards[i].block, two.hazards[i].block);
    CHECK_EQUAL(one.hazards[i].thread, two.hazards[i].thread);
  }
  CHECK(one.hazard_total > 0);
}
