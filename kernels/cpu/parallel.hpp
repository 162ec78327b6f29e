// Dealing work out: a pass over a range of items, by the widest vectors of this CPU, on threads that wait for work.
#pragma once
#include <algorithm>
#include <cstdint>

namespace immabench::cpu {

// Items [begin, end) of a pass.
using Range = void (*)(const void* pass, std::int64_t begin, std::int64_t end);

// Calls run(pass, ..) for parts of [0, count) of at least `least` items each, on up to `threads` threads, the caller's among
// them. Whoever is awake takes the next part, so that no one waits for a thread that is still waking. If another caller's work
// is being dealt out, all of it is done here.
void deal_out(Range run, const void* pass, std::int64_t count, std::int64_t least, int threads);

// What one thread does in the 10 us or so that waking another takes: elements moved through a pass of a few steps, at about
// 5 a nanosecond. Less is not worth a second thread.
constexpr std::int64_t kLeastElements = 1 << 15;

// In ascending order. `best_instructions` are those of this CPU, none beyond the limit, by which tests see the others' code.
// AVX-VNNI, which not every CPU with AVX-512 has, is of products alone: passes take AVX2 there.
enum class Instructions { kBaseline, kAvx2, kAvxVnni, kAvx512 };
Instructions best_instructions();
void limit_instructions(Instructions limit);

// The same pass compiled for each set of instructions. `flatten` has all that it calls inlined, and so compiled for that set.
template <class Pass>
[[gnu::flatten]] void run_baseline(const void* pass, std::int64_t begin, std::int64_t end) {
  (*static_cast<const Pass*>(pass))(begin, end);
}
#if defined(__x86_64__) && defined(__GNUC__)
template <class Pass>
[[gnu::flatten, gnu::target("avx2,bmi,bmi2")]] void run_avx2(const void* pass, std::int64_t begin, std::int64_t end) {
  (*static_cast<const Pass*>(pass))(begin, end);
}
template <class Pass>
[[gnu::flatten, gnu::target("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] void run_avx512(
    const void* pass, std::int64_t begin, std::int64_t end) {
  (*static_cast<const Pass*>(pass))(begin, end);
}
#endif

template <class Pass>
Range best_range() {
#if defined(__x86_64__) && defined(__GNUC__)
  if (best_instructions() == Instructions::kAvx512) return &run_avx512<Pass>;
  if (best_instructions() >= Instructions::kAvx2) return &run_avx2<Pass>;
#endif
  return &run_baseline<Pass>;
}

// pass(begin, end) for parts of [0, count), of which each item moves so many elements.
template <class Pass>
void run(const Pass& pass, std::int64_t count, std::int64_t elements_each, int threads) {
  deal_out(best_range<Pass>(), &pass, count,
           std::max<std::int64_t>(1, kLeastElements / std::max<std::int64_t>(1, elements_each)), threads);
}

}  // namespace immabench::cpu
