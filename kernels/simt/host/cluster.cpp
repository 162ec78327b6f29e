#include <simt/host/cluster.hpp>

#include <algorithm>

namespace simt::host {
namespace {

bool waits_for_its_warp(const Block::Warp& warp) { return warp.arrived && (warp.arrived | warp.at_mbarrier) != warp.live; }

std::string describe_wait(const Block::Warp& warp) {
  if (warp.at_mbarrier) return "an mbarrier in line " + std::to_string(warp.mbarrier_site.line);
  return std::string(name(warp.meeting.collective)) + " in line " + std::to_string(warp.meeting.site.line);
}

}  // namespace

const char* Cluster::invalid_reason(const LaunchShape& shape) {
  if (shape.threads == 0 || shape.threads > 1024 || shape.threads % 32)
    return "a block has a multiple of 32 threads, up to 1024";
  if (shape.cluster == 0 || shape.cluster > kMaxBlocks) return "a cluster has 1 to 16 blocks";
  if (shape.grid.x % shape.cluster) return "the grid must be a multiple of the cluster along x";
  if (shape.cluster * Block::readers_of(shape) > SharedMemory::kMaxReaders)
    return "so many warps in one cluster are not modelled";
  return nullptr;
}

// ---------------------------------------------------------------- life of a cluster

void Cluster::run(const LaunchShape& shape, std::uint64_t index, std::uint64_t position, Turns& turns, GlobalMemory& memory,
                  const Options& options, const std::function<void()>& kernel) {
  Block* const outer = current_block;
  adopt_current_stack(scheduler_);
  size_ = shape.cluster;
  position_ = position;
  turns_ = &turns;
  has_turn_ = false;
  warps_each_ = shape.warps();
  agents_ = shape.cluster * Block::readers_of(shape);
  next_ = 0;
  order_ = options.order;
  random_state_ = ((options.seed + 1) * 0x9E3779B97F4A7C15ull + index * 0xBF58476D1CE4E5B9ull) | 1;
  aborting_ = false;
  barrier_ = {};
  bulk_loads_.clear();
  while (blocks_.size() < size_) blocks_.push_back(std::make_unique<Block>());
  for (std::uint32_t rank = 0; rank < size_; ++rank) {
    blocks_[rank]->prepare(*this, rank, shape, index * size_ + rank, memory, options, kernel);
  }
  schedule();
  for (std::uint32_t rank = 0; rank < size_; ++rank) {
    if (aborting_) blocks_[rank]->unwind();
    ++blocks_[rank]->counts().blocks;
  }
  current_block = outer;
  turns.finish(position);
}

void Cluster::take_turn() {
  if (!has_turn_) turns_->wait_for(position_);
  has_turn_ = true;
}

void Cluster::schedule() {
  while (!aborting_) {
    // Under random order a load may land at any time; otherwise only when nobody can go on without one.
    if (order_ == Order::kRandom && bulk_loads_.size() && random() % 16 == 0) bulk_loads_.land(random() % bulk_loads_.size());
    if (run_one()) continue;
    if (bulk_loads_.size()) {
      const std::size_t newest = bulk_loads_.size() - 1;
      bulk_loads_.land(order_ == Order::kForward ? 0 : order_ == Order::kReverse ? newest : random() % bulk_loads_.size());
      continue;
    }
    const auto finished = [](const auto& block) { return block->finished(); };
    if (std::all_of(blocks_.begin(), blocks_.begin() + size_, finished)) return;
    report_stuck();
  }
}

// Runs a warp that can run, if there is one. A warp keeps running while it can: switching only where it must makes the shortest
// schedule, and the three orders together make the extremes.
bool Cluster::run_one() {
  const std::uint32_t warps = size_ * warps_each_;
  const std::uint32_t start = order_ == Order::kRandom ? random() % warps : next_;
  for (std::uint32_t i = 0; i < warps; ++i) {
    const std::uint32_t warp = order_ == Order::kReverse ? warps - 1 - i : (start + i) % warps;
    Block& block = *blocks_[warp / warps_each_];
    if (!block.warps()[warp % warps_each_].runnable) continue;
    next_ = warp;
    block.resume_warp(warp % warps_each_);
    return true;
  }
  return false;
}

// Nobody can run. Lanes of one warp apart from the rest of it are divergence, anything else is a deadlock.
void Cluster::report_stuck() {
  aborting_ = true;
  std::string waiting;
  Block* where = nullptr;
  const Block::Warp* culprit = nullptr;
  for (std::uint32_t rank = 0; rank < size_; ++rank) {
    for (const Block::Warp& warp : blocks_[rank]->warps()) {
      if (!warp.live) continue;
      if (!culprit || (waits_for_its_warp(warp) && !waits_for_its_warp(*culprit))) culprit = &warp, where = blocks_[rank].get();
      waiting += (waiting.empty() ? "" : ", ") + name_of_agent(warp.agent) + " at " + describe_wait(warp);
    }
  }
  const HazardKind kind = waits_for_its_warp(*culprit) ? HazardKind::kDivergentCollective : HazardKind::kDeadlock;
  const auto lane = static_cast<std::uint32_t>(std::countr_zero(culprit->live));
  where->add_hazard(kind, "no thread can run: " + waiting,
                    culprit->at_mbarrier ? culprit->mbarrier_site : culprit->meeting.site,
                    where->index_of(*culprit) * 32 + lane);
}

std::string Cluster::name_of_agent(std::uint32_t agent) const {
  const LaunchShape& shape = blocks_[0]->shape();
  const std::uint32_t each = Block::readers_of(shape), rank = agent / each, within = agent % each;
  if (agent >= size_ * each) return "a bulk load";
  const std::string of = size_ > 1 ? " of block " + std::to_string(rank) + " of the cluster" : "";
  if (within < shape.warps()) return "warp " + std::to_string(within) + of;
  const std::uint32_t group = within - shape.warps();
  const bool stores = group >= shape.warpgroups();
  return (stores ? "bulk stores of warpgroup " : "wgmma of warpgroup ") + std::to_string(group % shape.warpgroups()) + of;
}

std::uint32_t Cluster::random() {  // xorshift64
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return static_cast<std::uint32_t>(random_state_ >> 32);
}

Cluster::Place Cluster::resolve(std::uint32_t address) {
  const std::uint32_t rank = address >> kRankShift;
  if (rank == 0) return {current_block, address};
  return {rank <= size_ ? blocks_[rank - 1].get() : nullptr, address & ((1u << kRankShift) - 1)};
}

// ---------------------------------------------------------------- the cluster barrier

void Cluster::arrive(Block& block, Block::Warp& warp, const Site& site) {
  if (warp.cluster_arrivals != warp.cluster_phase) {
    block.abort(HazardKind::kBarrierMismatch, "a warp arrives twice at the cluster barrier without waiting", site);
  }
  barrier_.arrivals.push_back(&warp);
  ++warp.cluster_arrivals;
  Block::share_acquired(warp);
  barrier_.known.join(warp.known);
  Block::converge(warp);
  complete_barrier_if_all_arrived();
}

void Cluster::wait(Block& block, Block::Warp& warp, const Site& site) {
  if (warp.cluster_phase == warp.cluster_arrivals) {
    block.abort(HazardKind::kBarrierMismatch, "a warp waits at the cluster barrier without having arrived", site);
  }
  ++warp.cluster_phase;
  if (warp.cluster_phase <= barrier_.phase) {
    warp.known.join(barrier_.completed);
    return;
  }
  barrier_.waiting.push_back(&warp);
  warp.runnable = 0;
}

void Cluster::complete_barrier_if_all_arrived() {
  std::size_t live = 0;
  for (std::uint32_t rank = 0; rank < size_; ++rank) {
    for (const Block::Warp& warp : blocks_[rank]->warps()) live += warp.live != 0;
  }
  const auto lives = [](const Block::Warp* warp) { return warp->live != 0; };
  const auto arrived = std::count_if(barrier_.arrivals.begin(), barrier_.arrivals.end(), lives);
  if (barrier_.arrivals.empty() || static_cast<std::size_t>(arrived) < live) return;
  ++barrier_.phase;
  barrier_.arrivals.clear();
  barrier_.completed = barrier_.known;
  for (std::uint32_t rank = 0; rank < size_; ++rank) {
    for (Block::Warp& warp : blocks_[rank]->warps()) {
      if (warp.peer_store <= barrier_.completed.time[warp.agent]) warp.peer_store = 0;
    }
  }
  for (Block::Warp* warp : barrier_.waiting) {
    warp->known.join(barrier_.completed);
    warp->runnable = warp->live;
  }
  barrier_.waiting.clear();
}

}  // namespace simt::host
