// Rates and memory of this CPU on several threads, and the chain of additions that shows its clock.
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

#include <functional>
#include <thread>
#include <vector>

#include <ceiling/ceiling.hpp>
#include <ceiling/cpu_features.hpp>

namespace immabench {
namespace {

// Binds the calling thread to the index-th CPU this process may use, wrapping around. A hint: without it threads that start
// together may share a core for their first milliseconds.
void bind_to_core([[maybe_unused]] int index) {
#if defined(__linux__)
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 0) return;
  int skip = index % CPU_COUNT(&allowed), cpu = 0;
  while (!CPU_ISSET(cpu, &allowed) || skip-- > 0) ++cpu;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  pthread_setaffinity_np(pthread_self(), sizeof one, &one);
#endif
}

// Runs work(t) for t in [0, threads) at once, each on a thread of its own; the caller's keeps its cores.
void on_threads(int threads, const std::function<void(int)>& work) {
  std::vector<std::jthread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&work, t] {
      bind_to_core(t);
      work(t);
    });
  }
}

// Inlined into a function for each instruction set, and made of that.
[[gnu::always_inline]] inline std::uint64_t xor_loop(const std::uint64_t* words, std::int64_t count) {
  constexpr int kLanes = 32;  // independent sums, so that the loop waits for memory alone
  std::uint64_t lanes[kLanes] = {}, sum = 0;
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] ^= words[i + lane];
  }
  for (; i < count; ++i) sum ^= words[i];
  for (const std::uint64_t lane : lanes) sum ^= lane;
  return sum;
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] std::uint64_t xor_avx2(const std::uint64_t* words, std::int64_t count) {
  return xor_loop(words, count);
}
#endif

std::uint64_t xor_of(const std::uint64_t* words, std::int64_t count) {
#if defined(__x86_64__)
  static const bool wide = cpu::has_avx2();
  if (wide) return xor_avx2(words, count);
#endif
  return xor_loop(words, count);
}

}  // namespace

void run_cpu_rate(const CpuRate& rate, int threads, const std::byte* operands, std::byte* out, std::int64_t iterations) {
  const std::size_t stride = std::size_t(rate.vector_bytes) * std::size_t(rate.chains);
  on_threads(threads, [&](int t) { rate.run(operands, out + std::size_t(t) * stride, iterations); });
}

std::uint64_t add_chain(std::uint64_t start, std::uint64_t step, std::int64_t additions) {
  std::uint64_t sum = start;
  for (std::int64_t i = 0; i < additions / 16; ++i) {
    // A register is added: some CPUs add immediates while renaming, in no time at all.
#if defined(__x86_64__)
    asm volatile(".rept 16\n\taddq %1, %0\n\t.endr" : "+r"(sum) : "r"(step) : "cc");
#elif defined(__aarch64__)
    asm volatile(".rept 16\n\tadd %0, %0, %1\n\t.endr" : "+r"(sum) : "r"(step));
#else
    for (int j = 0; j < 16; ++j) {
      sum += step;
      asm volatile("" : "+r"(sum));
    }
#endif
  }
  return sum;
}

std::uint64_t read_cpu_memory(const std::uint64_t* source, std::int64_t words, int repeats, int threads) {
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(threads));
  on_threads(threads, [&](int t) {
    const std::int64_t first = words * t / threads, end = words * (t + 1) / threads;
    std::uint64_t sum = 0;
    for (int repeat = 0; repeat < repeats; ++repeat) {
      sum ^= xor_of(source + first, end - first);
      asm volatile("" : "+r"(sum)::"memory");  // or two repeats would cancel out unread
    }
    sums[std::size_t(t)] = sum;
  });
  return xor_of(sums.data(), threads);
}

}  // namespace immabench
