// A very small test harness: cases register themselves, `machine_tests --list` names them, `machine_tests NAME` runs one.
// pytest drives it (../test_machine.py), so every case is a test of its own there.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

#include <simt/host/launch.hpp>
#include <simt/simt.cuh>

namespace machine_tests {

using simt::u32;
using simt::host::HazardKind;
using simt::host::Order;
using simt::host::Report;

struct Case {
  const char* name;
  void (*run)();
};
inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
struct Registration {
  Registration(const char* name, void (*run)()) { cases().push_back({name, run}); }
};

#define CASE(name)                                                           \
  static void name();                                                        \
  static const machine_tests::Registration registration_##name(#name, name); \
  static void name()

[[noreturn]] inline void fail(const std::string& what, u32 line) {
  std::printf("FAIL line %u: %s\n", line, what.c_str());
  std::exit(1);
}
#define CHECK(condition)                                         \
  do {                                                           \
    if (!(condition)) machine_tests::fail(#condition, __LINE__); \
  } while (0)
#define CHECK_EQUAL(got, want)                                                                              \
  do {                                                                                                      \
    const auto got_ = (got);                                                                                \
    const auto want_ = (want);                                                                              \
    if (!(got_ == want_)) {                                                                                 \
      machine_tests::fail(#got " is " + std::to_string(got_) + ", not " + std::to_string(want_), __LINE__); \
    }                                                                                                       \
  } while (0)

inline u32 thread() { return simt::thread_index(); }
inline u32 block() { return simt::block_index_x(); }

// The address of a word of shared memory.
inline u32 shared_word(u32 index) { return simt::shared_base() + 4 * index; }

template <class T>
simt::Global<T> global(const T* p) {
  return {reinterpret_cast<simt::u64>(p)};
}

struct alignas(16) Bytes16 {
  u32 words[4];
};

constexpr Order kOrders[] = {Order::kForward, Order::kReverse, Order::kRandom};

using Kernel = std::function<void()>;

struct Allocation {
  const void* begin;
  std::size_t bytes;
  simt::host::Access access;
};
template <class T>
Allocation input(const T& object) {
  return {&object, sizeof object, simt::host::Access::kRead};
}
template <class T>
Allocation output(const T& object) {
  return {&object, sizeof object, simt::host::Access::kWrite};
}
template <class T>
Allocation input_and_output(const T& object) {
  return {&object, sizeof object, simt::host::Access::kReadWrite};
}

struct Setup {
  u32 threads = 32;
  u32 shared_bytes = 4096;
  u32 blocks = 1;
  u32 cluster = 1;
  std::vector<Allocation> memory = {};  // anew for each run: what one did to its bytes is nothing to the next
  std::size_t max_hazards = 4096;
};

inline Report run(const Setup& setup, const Kernel& kernel, Order order = Order::kForward, int os_threads = 1) {
  simt::host::GlobalMemory memory;
  for (const Allocation& allocation : setup.memory) memory.add(allocation.begin, allocation.bytes, allocation.access);
  simt::host::Options options;
  options.order = order;
  options.seed = 7;
  options.threads = os_threads;
  options.max_hazards = setup.max_hazards;
  const simt::host::LaunchShape shape{{setup.blocks}, setup.threads, setup.shared_bytes, setup.cluster};
  return simt::host::launch(shape, memory, options, kernel);
}

inline std::string describe(const Report& report) {
  std::string text = std::to_string(report.hazard_total) + " hazards";
  for (const auto& hazard : report.hazards) {
    text += std::string("; ") + name(hazard.kind) + " line " + std::to_string(hazard.site.line) + " thread " +
            std::to_string(hazard.thread) + ": " + hazard.detail;
  }
  return text;
}

// The planted bug is found in every order, at `line`, as `kind`, and the hazard names a block and a thread that exist. Where
// the order decides which of two accesses comes second and is reported, the kernel keeps both on one line.
inline void expect_caught(HazardKind kind, int& line, const Setup& setup, const Kernel& bug, u32 caller) {
  for (const Order order : kOrders) {
    const Report report = run(setup, bug, order);
    bool found = false;
    for (const auto& hazard : report.hazards) {
      const bool here =
          static_cast<int>(hazard.site.line) == line && std::string(hazard.site.file).find("machine/") != std::string::npos;
      found |= hazard.kind == kind && here && hazard.thread < setup.threads && hazard.block < setup.blocks;
    }
    if (!found)
      fail("order " + std::to_string(int(order)) + ": expected " + name(kind) + " at line " + std::to_string(line) + ", got " +
               describe(report),
           caller);
  }
}
inline void expect_clean(const Setup& setup, const Kernel& twin,
                         std::source_location caller = std::source_location::current()) {
  for (const Order order : kOrders) {
    const Report report = run(setup, twin, order);
    if (!report.clean()) fail("order " + std::to_string(int(order)) + ": " + describe(report), caller.line());
  }
}
// `buggy` says which of the two the kernel is to be; it marks the line of the bug with MARK.
inline void expect_bug_and_clean_twin(HazardKind kind, const Setup& setup,
                                      const std::function<void(bool buggy, int& line)>& kernel,
                                      std::source_location caller = std::source_location::current()) {
  int line = 0;
  expect_caught(kind, line, setup, [&] { kernel(true, line); }, caller.line());
  expect_clean(setup, [&] { kernel(false, line); }, caller);
}
#define MARK(line) (line) = __LINE__

}  // namespace machine_tests
