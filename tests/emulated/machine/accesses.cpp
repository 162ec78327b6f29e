// Accesses that are wrong by themselves: uninitialised, out of bounds, misaligned, or by the wrong path; each with its clean
// twin.
#include "harness.hpp"

using namespace machine_tests;
using simt::host::Access;

// ---- initialisation and bounds

CASE(uninitialised_shared_read) {
  expect_bug_and_clean_twin(HazardKind::kUninitialisedRead, Setup{}, [](bool buggy, int& line) {
    if (!buggy) simt::store_shared<u32>(shared_word(thread()), 1);
    MARK(line), simt::load_shared<u32>(shared_word(thread()));
  });
}

CASE(uninitialised_global_read) {
  static u32 out[32];
  const auto kernel = [](int& line) { MARK(line), simt::load_global(global(out) + thread()); };
  int line = 0;
  expect_caught(HazardKind::kUninitialisedRead, line, {.memory = {output(out)}}, [&] { kernel(line); }, __LINE__);
  expect_clean({.memory = {input_and_output(out)}}, [&] { kernel(line); });
}

CASE(uninitialised_global_atomic) {
  static simt::i32 out[32];
  const auto kernel = [](int& line) { MARK(line), simt::atomic_add_global(global(out) + thread(), 1); };
  int line = 0;
  expect_caught(HazardKind::kUninitialisedRead, line, {.memory = {output(out)}}, [&] { kernel(line); }, __LINE__);
  expect_clean({.memory = {input_and_output(out)}}, [&] { kernel(line); });
}

CASE(shared_access_past_the_end) {
  expect_bug_and_clean_twin(HazardKind::kSharedOutOfBounds, Setup{.shared_bytes = 128}, [](bool buggy, int& line) {
    MARK(line), simt::store_shared<u32>(shared_word(thread() + (buggy ? 1 : 0)), 1);
  });
}

CASE(shared_access_without_the_base) {
  expect_bug_and_clean_twin(HazardKind::kSharedOutOfBounds, Setup{.shared_bytes = 128}, [](bool buggy, int& line) {
    MARK(line), simt::store_shared<u32>(buggy ? 4 * thread() : shared_word(thread()), 1);
  });
}

CASE(global_load_past_the_end) {
  static u32 in[32];
  expect_bug_and_clean_twin(HazardKind::kGlobalOutOfBounds, (Setup{.memory = {input(in)}}), [](bool buggy, int& line) {
    MARK(line), simt::load_global(global(in) + thread() + (buggy ? 1 : 0));
  });
}

CASE(asynchronous_copy_past_the_end) {
  static Bytes16 in[32];  // and the last one has three words only
  expect_bug_and_clean_twin(
      HazardKind::kGlobalOutOfBounds, (Setup{.memory = {{in, sizeof in - 4, Access::kRead}}}), [](bool buggy, int& line) {
        const int valid = !buggy && thread() == 31 ? 12 : 16;
        MARK(line), simt::copy_async<16>(simt::shared_base() + 16 * thread(), global(in) + thread(), valid);
        simt::copy_async_commit();
        simt::copy_async_wait<0>();
      });
}

CASE(store_to_an_input) {
  static u32 buffer[32];
  const auto kernel = [](int& line) { MARK(line), simt::store_global(global(buffer) + thread(), 1u); };
  int line = 0;
  expect_caught(HazardKind::kGlobalOutOfBounds, line, {.memory = {input(buffer)}}, [&] { kernel(line); }, __LINE__);
  expect_clean({.memory = {output(buffer)}}, [&] { kernel(line); });
}

CASE(atomic_on_an_input) {
  static simt::i32 buffer[32];
  const auto kernel = [](int& line) { MARK(line), simt::atomic_add_global(global(buffer) + thread(), 1); };
  int line = 0;
  expect_caught(HazardKind::kGlobalOutOfBounds, line, {.memory = {input(buffer)}}, [&] { kernel(line); }, __LINE__);
  expect_clean({.memory = {input_and_output(buffer)}}, [&] { kernel(line); });
}

CASE(misaligned_shared_access) {
  expect_bug_and_clean_twin(HazardKind::kMisaligned, Setup{}, [](bool buggy, int& line) {
    MARK(line), simt::store_shared(simt::shared_base() + 16 * thread() + (buggy ? 4 : 0), simt::Vector<u32, 2>{});
  });
}

CASE(misaligned_global_access) {
  static Bytes16 in[33];
  expect_bug_and_clean_twin(HazardKind::kMisaligned, (Setup{.memory = {input(in)}}), [](bool buggy, int& line) {
    const simt::Global<Bytes16> p{reinterpret_cast<simt::u64>(in + thread()) + (buggy ? 4 : 0)};
    MARK(line), simt::load_global(p);
  });
}

CASE(misaligned_coherent_load) {
  static Bytes16 in[33];
  expect_bug_and_clean_twin(HazardKind::kMisaligned, (Setup{.memory = {input(in)}}), [](bool buggy, int& line) {
    const simt::Global<Bytes16> p{reinterpret_cast<simt::u64>(in + thread()) + (buggy ? 8 : 0)};
    MARK(line), simt::load_global_coherent(p);
  });
}

CASE(coherent_load_past_the_end) {
  static Bytes16 in[32];
  expect_bug_and_clean_twin(HazardKind::kGlobalOutOfBounds, (Setup{.memory = {input(in)}}), [](bool buggy, int& line) {
    const simt::Global<Bytes16> p{reinterpret_cast<simt::u64>(in + thread()) + (buggy ? 16 : 0)};
    MARK(line), simt::load_global_coherent(p);
  });
}

// ---- the read-only path

// A coherent load of what the own thread stored is right; of what nobody stored it is not.
CASE(coherent_load_of_what_nobody_stored) {
  alignas(16) static Bytes16 out[64];
  expect_bug_and_clean_twin(HazardKind::kUninitialisedRead, Setup{.memory = {output(out)}}, [](bool buggy, int& line) {
    const simt::Global<Bytes16> p{reinterpret_cast<simt::u64>(out + thread())};
    simt::store_global(p, Bytes16{});
    MARK(line), simt::load_global_coherent(p + (buggy ? 32 : 0));
  });
}

CASE(read_only_load_of_what_the_launch_stored) {
  static u32 out[64];
  expect_bug_and_clean_twin(HazardKind::kReadOnlyPath, Setup{.memory = {input_and_output(out)}}, [](bool buggy, int& line) {
    simt::store_global(global(out) + thread(), 1u);
    MARK(line), simt::load_global(global(out) + thread() + (buggy ? 0 : 32));
  });
}

CASE(store_to_what_the_launch_loaded_by_the_read_only_path) {
  static u32 out[64];
  expect_bug_and_clean_twin(HazardKind::kReadOnlyPath, Setup{.memory = {input_and_output(out)}}, [](bool buggy, int& line) {
    simt::load_global(global(out) + thread());
    MARK(line), simt::store_global(global(out) + thread() + (buggy ? 0 : 32), 1u);
  });
}

CASE(atomic_on_what_the_launch_loaded_by_the_read_only_path) {
  static simt::i32 out[64];
  expect_bug_and_clean_twin(HazardKind::kReadOnlyPath, Setup{.memory = {input_and_output(out)}}, [](bool buggy, int& line) {
    simt::load_global(global(out) + thread());
    MARK(line), simt::atomic_add_global(global(out) + thread() + (buggy ? 0 : 32), 1);
  });
}
