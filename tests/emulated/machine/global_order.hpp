// What cases of releases and acquires share: rows that blocks store, counters at which they arrive.
#pragma once
#include <algorithm>

#include "harness.hpp"

namespace machine_tests {

using simt::i32;

constexpr u32 kBlocks = 6, kThreads = 64;

alignas(256) inline u32 rows[kBlocks * kThreads], sums[kThreads];
inline i32 counters[2];

inline simt::Global<u32> row(u32 of_block) { return global(rows) + of_block * kThreads; }
inline simt::Global<i32> counter(int index = 0) { return global(counters) + index; }

// As a launch finds its memory.
inline Setup fresh(u32 threads, u32 blocks) {
  std::fill(std::begin(counters), std::end(counters), 0);
  std::fill(std::begin(sums), std::end(sums), 0u);
  return {.threads = threads, .blocks = blocks, .memory = {output(rows), output(sums), input_and_output(counters)}};
}

using Planted = std::function<void(bool buggy, int& line)>;

inline void expect_finding_and_clean_twin(HazardKind kind, u32 threads, u32 blocks, const Planted& kernel,
                                          std::source_location caller = std::source_location::current()) {
  for (const Order order : kOrders) {
    int line = 0;
    const Report bug = run(fresh(threads, blocks), [&] { kernel(true, line); }, order);
    const bool found = std::any_of(bug.hazards.begin(), bug.hazards.end(), [&](const auto& hazard) {
      return hazard.kind == kind && static_cast<int>(hazard.site.line) == line;
    });
    if (!found) fail("order " + std::to_string(int(order)) + ": " + describe(bug), caller.line());
    const Report clean = run(fresh(threads, blocks), [&] { kernel(false, line); }, order);
    if (!clean.clean()) fail("order " + std::to_string(int(order)) + ": " + describe(clean), caller.line());
  }
}

// Arrivals leave a bit of their block in a counter: has the block of this bit arrived?
inline bool has(i32 arrivals, u32 which) { return arrivals >> which & 1; }
inline i32 arrive(int at = 0) { return simt::atomic_add_global_acq_rel(counter(at), 1 << block()); }
inline i32 peek(int at = 0) { return simt::atomic_add_global(counter(at), 0); }

}  // namespace machine_tests
