// Logical time on the emulated machine: what is ordered before what.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace simt::host {

// For each agent its last epoch whose accesses are ordered before the owner of the clock. An agent is what acts on memory in an
// order of its own: a warp, the matrix unit of a warpgroup, a warpgroup's bulk stores, an mbarrier that bulk loads report to.
class VectorClock {
 public:
  void reset(std::size_t agents) { epochs_.assign(agents, 0); }
  std::uint32_t operator[](std::uint32_t agent) const { return agent < epochs_.size() ? epochs_[agent] : 0; }
  void raise(std::uint32_t agent, std::uint32_t epoch) {
    if (agent >= epochs_.size()) epochs_.resize(agent + 1);
    epochs_[agent] = std::max(epochs_[agent], epoch);
  }
  void limit(std::uint32_t agent, std::uint32_t epoch) {
    if (agent < epochs_.size()) epochs_[agent] = std::min(epochs_[agent], epoch);
  }
  void advance(std::uint32_t agent) { raise(agent, (*this)[agent] + 1); }
  void join(const VectorClock& other) {
    if (epochs_.size() < other.epochs_.size()) epochs_.resize(other.epochs_.size());
    for (std::size_t i = 0; i < other.epochs_.size(); ++i) epochs_[i] = std::max(epochs_[i], other.epochs_[i]);
  }
  // Keeps what `other` knows too.
  void meet(const VectorClock& other) {
    epochs_.resize(std::min(epochs_.size(), other.epochs_.size()));
    for (std::size_t i = 0; i < epochs_.size(); ++i) epochs_[i] = std::min(epochs_[i], other.epochs_[i]);
  }

 private:
  std::vector<std::uint32_t> epochs_;
};

// What the owner has acquired from other blocks: of each counter in global memory, how many of the releases made through it.
// Sparse, and empty where no block has acquired anything. GlobalOrder knows what each release stands for.
class Acquired {
 public:
  struct Entry {
    std::uint32_t counter, releases;
  };

  bool empty() const { return entries_.empty(); }
  const std::vector<Entry>& entries() const { return entries_; }
  void clear() { entries_.clear(); }
  void raise(std::uint32_t counter, std::uint32_t releases) {
    const auto found = find(counter);
    if (found == entries_.end() || found->counter != counter)
      entries_.insert(found, {counter, releases});
    else
      found->releases = std::max(found->releases, releases);
  }
  void join(const Acquired& other) {
    for (const Entry& entry : other.entries_) raise(entry.counter, entry.releases);
  }
  // Keeps what `other` has acquired too.
  void meet(const Acquired& other) {
    for (Entry& entry : entries_) entry.releases = std::min(entry.releases, other.of(entry.counter));
    std::erase_if(entries_, [](const Entry& entry) { return entry.releases == 0; });
  }

 private:
  std::uint32_t of(std::uint32_t counter) const {
    const auto found = const_cast<Acquired*>(this)->find(counter);
    return found == entries_.end() || found->counter != counter ? 0 : found->releases;
  }
  std::vector<Entry>::iterator find(std::uint32_t counter) {
    return std::lower_bound(entries_.begin(), entries_.end(), counter,
                            [](const Entry& entry, std::uint32_t wanted) { return entry.counter < wanted; });
  }

  std::vector<Entry> entries_;  // ordered by counter
};

// What one lane of a warp has acquired; the other lanes have not.
struct LaneAcquired {
  std::uint32_t lane;
  Acquired acquired;

  bool operator==(std::uint32_t other) const { return lane == other; }
};

// What a warp knows, and hands on where it synchronises. The asynchronous proxy (bulk copies, wgmma) sees what threads wrote
// only past a proxy fence somewhere on the way from the write: `fenced` is the part of `time` for which there was one.
struct Knowledge {
  VectorClock time, fenced;  // of the own cluster's agents
  Acquired acquired;         // from other blocks

  void reset(std::size_t agents) { time.reset(agents), fenced.reset(agents), acquired.clear(); }
  void join(const Knowledge& other) { time.join(other.time), fenced.join(other.fenced), acquired.join(other.acquired); }
  void meet(const Knowledge& other) { time.meet(other.time), fenced.meet(other.fenced), acquired.meet(other.acquired); }
};

}  // namespace simt::host
