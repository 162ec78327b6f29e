// Blocks on several OS threads take turns at what depends on which of them comes first.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>

namespace simt::host {

// Clusters have positions in the order in which they are started. One that waits for its turn has all earlier ones behind it
// and keeps the turn to its end: what atomics return is then the same for any number of OS threads, as if clusters ran one
// after another. The wait ends, as none waits for a later one.
class Turns {
 public:
  void wait_for(std::uint64_t position) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return first_unfinished_ == position; });
  }
  void finish(std::uint64_t position) {
    const std::lock_guard lock(mutex_);
    finished_.insert(position);
    while (finished_.erase(first_unfinished_)) ++first_unfinished_;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t first_unfinished_ = 0;
  std::set<std::uint64_t> finished_;  // after the first unfinished
};

}  // namespace simt::host
