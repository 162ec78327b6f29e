#include <cpu/parallel.hpp>

#include <atomic>
#include <ceiling/cpu_features.hpp>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace immabench::cpu {
namespace {

// Parts a thread, so that one that wakes late or is interrupted leaves little behind.
constexpr int kPartsPerThread = 4;
constexpr int kMostHelpers = 255;

// How long a thread looks out for work, or for others' last part, before it sleeps. Waking takes tens of microseconds, in a
// virtual machine above all, and a model's next layer comes within some hundreds. Meanwhile it gives way to whoever can run.
constexpr std::chrono::microseconds kLookout{1000};

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
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < end);
  word.wait(old, std::memory_order_acquire);
}

// Where threads may run. A thread that is woken is put where its waker runs, and shares that processor for milliseconds, a
// whole model, before it is moved: so helpers are kept off it.
class Places {
 public:
#if defined(__linux__)
  Places() { known_ = sched_getaffinity(0, sizeof allowed_, &allowed_) == 0; }

  // Keeps `threads` off the processor that the caller is on, where there are others enough.
  void keep_off_the_caller(const std::vector<std::thread::native_handle_type>& threads) {
    const int here = sched_getcpu();
    if (!known_ || here < 0 || here >= CPU_SETSIZE || (here == caller_ && threads.size() == placed_)) return;
    caller_ = here, placed_ = threads.size();
    cpu_set_t others = allowed_;
    CPU_CLR(here, &others);
    const bool enough = CPU_COUNT(&others) >= int(threads.size());
    for (const auto thread : threads) pthread_setaffinity_np(thread, sizeof others, enough ? &others : &allowed_);
  }

 private:
  cpu_set_t allowed_;
  bool known_ = false;
  int caller_ = -1;
  std::size_t placed_ = 0;
#else
  void keep_off_the_caller(const std::vector<std::thread::native_handle_type>&) {}
#endif
};

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
    places_.keep_off_the_caller(threads_);
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
    while (int(threads_.size()) < helpers) {
      std::thread thread(&Pool::help, this, int(threads_.size()));
      threads_.push_back(thread.native_handle());
      thread.detach();
    }
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
  std::vector<std::thread::native_handle_type> threads_;  // that never end
  Places places_;
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

bool present(Instructions wanted) {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (wanted == Instructions::kAvx2) return avx2;
  if (wanted == Instructions::kAvxVnni) return avx2 && has_avx_vnni();
  if (wanted == Instructions::kAvx512) return avx2 && avx512;
#endif
  return wanted == Instructions::kBaseline;
}

}  // namespace

Instructions best_instructions() {
  static const bool here[] = {true, present(Instructions::kAvx2), present(Instructions::kAvxVnni),
                              present(Instructions::kAvx512)};
  int best = int(instruction_limit.load(std::memory_order_relaxed));
  while (!here[best]) --best;
  return Instructions(best);
}

void limit_instructions(Instructions limit) { instruction_limit = limit; }

}  // namespace immabench::cpu
