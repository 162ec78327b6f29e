#include <simt/host/launch.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

#include <simt/host/cluster.hpp>

namespace simt::host {
namespace {

// Blocks keep their stacks and shadow memory for the next launch: mapping a thousand stacks costs more than a small kernel.
class ClusterPool {
 public:
  std::unique_ptr<Cluster> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Cluster>();
    auto cluster = std::move(idle_.back());
    idle_.pop_back();
    return cluster;
  }
  void give_back(std::unique_ptr<Cluster> cluster) {
    for (auto& block : cluster->blocks()) block->clear_findings();
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(cluster));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Cluster>> idle_;
};

ClusterPool& cluster_pool() {
  static ClusterPool pool;
  return pool;
}

Report refuse(std::string why) {
  Report report;
  report.hazards.push_back({HazardKind::kLaunch, std::move(why), {}, 0, 0});
  report.hazard_total = 1;
  return report;
}

// The order in which clusters are started: as the warps of a block.
class Deal {
 public:
  Deal(const Options& options, std::uint64_t clusters) : order_(options.order), clusters_(clusters) {
    if (order_ != Order::kRandom) return;
    shuffled_.resize(clusters);
    std::iota(shuffled_.begin(), shuffled_.end(), std::uint64_t{0});
    std::shuffle(shuffled_.begin(), shuffled_.end(), std::mt19937_64(options.seed));
  }
  std::uint64_t operator[](std::uint64_t position) const {
    if (order_ == Order::kRandom) return shuffled_[position];
    return order_ == Order::kForward ? position : clusters_ - 1 - position;
  }

 private:
  Order order_;
  std::uint64_t clusters_;
  std::vector<std::uint64_t> shuffled_;
};

std::size_t thread_count(const Options& options, std::uint64_t blocks) {
  const std::size_t wanted =
      options.threads > 0 ? static_cast<std::size_t>(options.threads) : std::thread::hardware_concurrency();
  return static_cast<std::size_t>(std::min<std::uint64_t>(std::max<std::size_t>(wanted, 1), blocks));
}

void add_lines(std::vector<LineCounts>& lines, const TransactionCounter& counter) {
  for (const auto& entry : counter.entries()) {
    const auto& [site, operation] = entry.key;
    const auto same = [&](const LineCounts& line) {
      return line.line == site.line && line.operation == operation && line.file == site.file;
    };
    const auto found = std::find_if(lines.begin(), lines.end(), same);
    if (found != lines.end())
      found->transactions += entry.transactions;
    else
      lines.push_back({site.file, site.line, operation, entry.transactions});
  }
}

void collect(Report& report, Block& block) {
  Counts counts = block.counts();
  std::copy(block.counter().totals().begin(), block.counter().totals().end(), counts.total);
  report.counts += counts;
  add_lines(report.lines, block.counter());
  report.hazards.insert(report.hazards.end(), block.hazards().begin(), block.hazards().end());
  report.hazard_total += block.hazard_total();
}

void finish(Report& report, const Options& options) {
  std::stable_sort(report.hazards.begin(), report.hazards.end(),
                   [](const Hazard& a, const Hazard& b) { return a.block < b.block; });
  if (report.hazards.size() > options.max_hazards) report.hazards.resize(options.max_hazards);
  std::sort(report.lines.begin(), report.lines.end(), [](const LineCounts& a, const LineCounts& b) {
    return std::tie(a.file, a.line, a.operation) < std::tie(b.file, b.line, b.operation);
  });
}

}  // namespace

Report launch(const LaunchShape& shape, GlobalMemory& memory, const Options& options, const std::function<void()>& kernel) {
  if (const char* reason = Cluster::invalid_reason(shape)) return refuse(reason);
  const std::uint64_t clusters = shape.grid.count() / shape.cluster;
  const Deal deal(options, clusters);
  Turns turns;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> stop{false};
  const auto work = [&](Cluster& cluster) {
    for (std::uint64_t position; !stop && (position = next++) < clusters;) {
      cluster.run(shape, deal[position], position, turns, memory, options, kernel);
      if (cluster.aborting()) stop = true;
    }
  };

  std::vector<std::unique_ptr<Cluster>> workers(thread_count(options, clusters));
  for (auto& worker : workers) worker = cluster_pool().take();
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < workers.size(); ++i) threads.emplace_back(work, std::ref(*workers[i]));
  if (!workers.empty()) work(*workers[0]);
  for (std::thread& thread : threads) thread.join();

  Report report;
  std::exception_ptr failure;
  for (auto& worker : workers) {
    for (auto& block : worker->blocks()) {
      collect(report, *block);
      if (block->failure()) failure = block->failure();
    }
    cluster_pool().give_back(std::move(worker));
  }
  if (failure) std::rethrow_exception(failure);
  finish(report, options);
  return report;
}

}  // namespace simt::host
