#include <cpu/parallel.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace immabench::cpu {
namespace {

// Parts a thread, so that one that wakes late or is interrupted leaves little behind.
constexpr int kPartsPerThread = 4;
constexpr int kMostHelpers = 255;

// How long a thread looks out for work, or for others' last part, before it sleeps. Waking takes tens of microseconds, in a
// virtual machine above all, and a model's next layer comes within so many.
constexpr std::chrono::microseconds kLookout{200};

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Returns when `word` no longer is `old`.
void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t old) {
  const auto end = std::chrono::steady_clock::now() + kLookout;
  do {
    for (int i = 0; i < 64; ++i, relax()) {
      if (word.load(std::memory_order_acquire) != old) return;
    }
  } while (std::chrono::steady_clock::now() < end);
  word.wait(old, std::memory_order_acquire);
}

struct Job {
  Range run;
  const void* pass;
  std::int64_t count, parts;

  void part(std::int64_t index) const { run(pass, count * index / parts, count * (index + 1) / parts); }
};

// Threads that wait for a job. Its parts are claimed by counting a ticket down: the job's number above, parts left
// below. Who claims one has that job until the part is done, for the caller waits for every part.
class Pool {
 public:
  void run(const Job& job, int helpers) {
    start(helpers);
    job_ = job;
    left_.store(std::uint32_t(job.parts), std::memory_order_relaxed);
    helpers_.store(helpers, std::memory_order_relaxed);
    const std::uint64_t number = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
    ticket_.store(number << 32 | std::uint64_t(job.parts));
    wake_.fetch_add(1);
    wake_.notify_all();
    work();
    for (std::uint32_t left; (left = left_.load(std::memory_order_acquire)) != 0;) wait_while(left_, left);
  }

  std::mutex busy;

 private:
  void start(int helpers) {
    for (; started_ < helpers; ++started_) std::thread(&Pool::help, this, started_).detach();
  }

  void help(int index) {
    for (;;) {
      const std::uint32_t seen = wake_.load();
      if (index < helpers_.load(std::memory_order_relaxed)) work();
      wait_while(wake_, seen);
    }
  }

  void work() {
    for (;;) {
      std::uint64_t ticket = ticket_.load();
      do {
        if (std::uint32_t(ticket) == 0) return;
      } while (!ticket_.compare_exchange_weak(ticket, ticket - 1));
      job_.part(std::int64_t(std::uint32_t(ticket)) - 1);
      if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) left_.notify_all();
    }
  }

  Job job_{};
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<std::uint32_t> left_{0}, wake_{0};
  std::atomic<int> helpers_{0};
  int started_ = 0;
};

std::atomic<Pool*> current_pool{nullptr};

// Never destroyed: its threads outlive whatever static objects a process takes down at its end. A child of fork() has none of
// them, and starts with a pool of its own.
Pool& pool() {
  static const bool once = [] {
    current_pool = new Pool;
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { current_pool = new Pool; });
#endif
    return true;
  }();
  static_cast<void>(once);
  return *current_pool;
}

}  // namespace

void deal_out(Range run, const void* pass, std::int64_t count, std::int64_t least, int threads) {
  threads = std::min<std::int64_t>(std::min(threads, kMostHelpers + 1), count / least);
  if (threads <= 1) return run(pass, 0, count);
  Pool& with = pool();
  const std::unique_lock<std::mutex> lock(with.busy, std::try_to_lock);
  if (!lock) return run(pass, 0, count);
  with.run({run, pass, count, std::min<std::int64_t>(count / std::max<std::int64_t>(1, least / 2), threads * kPartsPerThread)},
           threads - 1);
}

namespace {

std::atomic<Instructions> instruction_limit{Instructions::kAvx512};

Instructions present_instructions() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2) return avx512 ? Instructions::kAvx512 : Instructions::kAvx2;
#endif
  return Instructions::kBaseline;
}

}  // namespace

Instructions best_instructions() {
  static const Instructions present = present_instructions();
  return std::min(present, instruction_limit.load(std::memory_order_relaxed));
}

void limit_instructions(Instructions limit) { instruction_limit = limit; }

}  // namespace immabench::cpu
