#include <simt/host/block.hpp>

#include <algorithm>

#include <simt/host/cluster.hpp>

namespace simt::host {
namespace {

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// As many as a block that has a multiprocessor to itself gets: 64 K, handed out in multiples of 8, at most 255 a thread.
std::uint32_t registers_at_launch(std::uint32_t threads) { return std::min(65536 / threads / 8 * 8, 255u); }

}  // namespace

thread_local constinit Block* current_block = nullptr;

const char* name(Collective collective) {
  static constexpr const char* kNames[] = {"nothing",     "syncwarp", "barrier",      "shuffle",     "vote",
                                           "redux",       "ldmatrix", "mma",          "proxy fence", "cluster barrier",
                                           "wgmma fence", "wgmma",    "wgmma commit", "wgmma wait",  "setmaxnreg"};
  return kNames[static_cast<int>(collective)];
}

// ---------------------------------------------------------------- life of a block

void Block::prepare(Cluster& cluster, std::uint32_t rank, const LaunchShape& shape, std::uint64_t index, GlobalMemory& memory,
                    const Options& options, const std::function<void()>& kernel) {
  cluster_ = &cluster;
  rank_ = rank;
  first_agent_ = rank * readers_of(shape);
  shape_ = shape;
  index_ = index;
  memory_ = &memory;
  options_ = options;
  kernel_ = &kernel;
  random_state_ = mix(options.seed * 0x9E3779B97F4A7C15ull + index + 1) | 1;
  shared_.reset(shape.shared_bytes, shape.cluster * readers_of(shape), options.check);
  barriers_ = {};
  mbarriers_.clear();
  visits_.clear();
  wgmma_units_.resize(shape.warpgroups());
  for (WgmmaUnit& unit : wgmma_units_) unit.clear();
  copies_.resize(shape.threads);
  for (ThreadCopies& copies : copies_) copies.clear();
  bulk_stores_.resize(shape.threads);
  for (BulkStores& stores : bulk_stores_) stores.clear();
  prepare_threads();
}

void Block::prepare_threads() {
  fibers_.resize(shape_.threads);
  started_.assign(shape_.threads, false);
  for (std::uint32_t thread = 0; thread < shape_.threads; ++thread)
    stacks_.prepare(fibers_[thread], thread, &Block::fiber_main);
  live_warps_ = shape_.warps();
  warps_.resize(live_warps_);
  for (std::uint32_t i = 0; i < live_warps_; ++i) {
    Warp& warp = warps_[i];
    warp.live = warp.runnable = ~0u;
    warp.arrived = warp.at_mbarrier = 0;
    warp.cluster_arrivals = warp.cluster_phase = 0;
    warp.peer_store = 0;
    warp.agent = first_agent_ + i;
    warp.known.reset(shape_.cluster * readers_of(shape_));
    warp.known.time.advance(warp.agent);
    warp.converged = warp.epoch();
    warp.last_access.fill(0);
    warp.last_store.fill(0);
    warp.lane_acquired.clear();
    warp.registers = registers_at_launch(shape_.threads);
    warp.log.clear();
  }
  warpgroups_.assign(shape_.warpgroups(), {});
  free_registers_ = 0;
}

void Block::fiber_main() {
  fiber_started();
  Block& block = *current_block;
  try {
    (*block.kernel_)();
    block.check_exit();
  } catch (const Aborted&) {
  } catch (...) {
    block.failure_ = std::current_exception();
    block.cluster_->abort();
  }
  block.leave();
}

// The last act of a fiber: hand over, never to be resumed.
void Block::leave() {
  Warp& own = warp();
  const std::uint32_t bit = 1u << thread_ % 32;
  own.live &= ~bit;
  own.runnable &= ~bit;
  if (!own.live) {
    --live_warps_;
    if (!cluster_->aborting()) cluster_->warp_left();
  }
  FiberContext done;
  if (own.runnable && !cluster_->aborting())
    resume(thread_ / 32 * 32 + static_cast<std::uint32_t>(pick_lane(own.runnable)), done);
  switch_fiber(done, cluster_->scheduler());
}

void Block::check_exit() {
  if (const Site* copy = copies_[thread_].in_flight()) {
    add_hazard(HazardKind::kCopyAtExit, "the thread returns while its copies are in flight", *copy);
  }
  if (const Site* store = bulk_stores_[thread_].in_flight()) {
    add_hazard(HazardKind::kCopyAtExit, "the thread returns while its bulk stores are under way", *store);
  }
  Warp& own = warp();
  const std::uint32_t others = own.live & ~(1u << thread_ % 32);
  if (others && own.arrived == others) {
    abort(HazardKind::kDivergentCollective,
          "a lane returned while the rest of its warp waits at " + std::string(name(own.meeting.collective)), own.meeting.site);
  }
  if (others) return;
  if (options_.count) own.log.flush(counter_);
  if (const Site* job = wgmma_units_[thread_ / 128].in_flight()) {
    add_hazard(HazardKind::kWgmma, "the warp returns while wgmma is under way", *job);
  }
  if (live_warps_ == 1) check_visits();
}

// The last thread of the block returns: its shared memory is gone for others too. What one warp knows is ordered before the
// end.
void Block::check_visits() {
  for (const Visit& visit : visits_) {
    const bool known = std::any_of(warps_.begin(), warps_.end(),
                                   [&](const Warp& warp) { return warp.known.time[visit.agent] >= visit.epoch; });
    if (!known) {
      add_hazard(HazardKind::kPeerExited,
                 "the block may return before " + cluster_->name_of_agent(visit.agent) + " reaches for its shared memory here",
                 visit.site);
    }
  }
}

// ---------------------------------------------------------------- scheduling

void Block::resume_warp(std::uint32_t warp) {
  current_block = this;
  resume(warp * 32 + static_cast<std::uint32_t>(pick_lane(warps_[warp].runnable)), cluster_->scheduler());
}

int Block::pick_lane(std::uint32_t lanes) {
  switch (options_.order) {
    case Order::kForward: return std::countr_zero(lanes);
    case Order::kReverse: return 31 - std::countl_zero(lanes);
    case Order::kRandom: break;
  }
  const int turn = static_cast<int>(random() % 32);
  return (std::countr_zero(std::rotr(lanes, turn)) + turn) % 32;
}

void Block::resume(std::uint32_t thread, FiberContext& from) {
  thread_ = thread;
  started_[thread] = true;
  switch_fiber(from, fibers_[thread]);
}

// The running thread cannot go on: continue with another lane of its warp, else let the scheduler choose.
void Block::park() {
  const std::uint32_t self = thread_, ready = warp().runnable;
  if (!ready) return yield();
  resume(self / 32 * 32 + static_cast<std::uint32_t>(pick_lane(ready)), fibers_[self]);
  if (cluster_->aborting()) throw Aborted{};
}

void Block::yield() {
  switch_fiber(fibers_[thread_], cluster_->scheduler());
  if (cluster_->aborting()) throw Aborted{};
}

void Block::unwind() {
  current_block = this;
  for (std::uint32_t thread = 0; thread < shape_.threads; ++thread) {
    const bool suspended = started_[thread] && (warps_[thread / 32].live >> thread % 32 & 1);
    if (suspended) resume(thread, cluster_->scheduler());
  }
}

std::uint32_t Block::random() {  // xorshift64
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return static_cast<std::uint32_t>(random_state_ >> 32);
}

// ---------------------------------------------------------------- collectives and barriers

void Block::converge(Warp& warp) {
  share_acquired(warp);
  warp.known.time.advance(warp.agent);
  warp.converged = warp.epoch();
}

void Block::share_acquired(Warp& warp) {
  for (const LaneAcquired& lane : warp.lane_acquired) warp.known.acquired.join(lane.acquired);
  warp.lane_acquired.clear();
}

void Block::wait_at_mbarrier(const Site& site) {
  Warp& own = warp();
  const std::uint32_t bit = 1u << thread_ % 32;
  own.runnable &= ~bit;
  own.at_mbarrier |= bit;
  own.mbarrier_site = site;
  park();
}

void Block::wake(std::uint32_t thread) {
  Warp& warp = warps_[thread / 32];
  warp.at_mbarrier &= ~(1u << thread % 32);
  warp.runnable |= 1u << thread % 32;
}

void Block::diverge(const Meeting& meeting) {
  const Warp& own = warp();
  std::string detail = std::string(name(meeting.collective));
  if (own.live != ~0u)
    detail += " after lanes of the warp returned";
  else
    detail += " while other lanes of the warp wait at " + std::string(name(own.meeting.collective)) + " in line " +
              std::to_string(own.meeting.site.line);
  abort(HazardKind::kDivergentCollective, std::move(detail), meeting.site);
}

void Block::arrive_at_barrier(Warp& warp, std::uint32_t id, std::uint32_t threads, bool waits, std::uint32_t predicates,
                              const Site& site) {
  if (id >= barriers_.size() || threads == 0 || threads % 32 || threads > shape_.threads) {
    abort(HazardKind::kBarrierMismatch, "barrier " + std::to_string(id) + " of " + std::to_string(threads) + " threads", site);
  }
  Barrier& barrier = barriers_[id];
  const std::uint32_t bit = 1u << index_of(warp);
  if (barrier.expected && barrier.expected != threads) {
    abort(HazardKind::kBarrierMismatch,
          "barrier " + std::to_string(id) + " expects " + std::to_string(barrier.expected) + " threads and " +
              std::to_string(threads),
          site);
  }
  if (barrier.participants & bit) {
    abort(HazardKind::kBarrierMismatch, "a warp arrives twice at barrier " + std::to_string(id), site);
  }
  share_acquired(warp);
  barrier.expected = threads;
  barrier.arrived += 32;
  barrier.participants |= bit;
  barrier.predicates += predicates;
  if (waits) {
    barrier.waiting |= bit;
    warp.runnable = 0;
  }
  if (barrier.arrived < barrier.expected) return;

  Knowledge all;
  const auto for_each = [this](std::uint32_t set, auto&& f) {
    for (; set; set &= set - 1) f(warps_[static_cast<std::size_t>(std::countr_zero(set))]);
  };
  for_each(barrier.participants, [&](Warp& w) { all.join(w.known); });
  for_each(barrier.waiting, [&](Warp& w) {
    w.known.join(all);
    w.runnable = w.live;
  });
  for_each(barrier.participants, converge);
  barrier = {.result = barrier.predicates};
  ++counts_.barriers;
}

// ---------------------------------------------------------------- warpgroups

// A warp whose lanes have met waits for the other three; true for the last to come.
bool Block::meets_warpgroup(Warp& warp, const Meeting& meeting) {
  const std::uint32_t index = index_of(warp);
  Warpgroup& group = warpgroups_[index / 4];
  if (shape_.threads % 128)
    abort(HazardKind::kLaunch, "a block without whole warpgroups has no such instructions", meeting.site);
  if (group.arrived && !(group.meeting == meeting)) {
    abort(HazardKind::kDivergentCollective,
          std::string(name(meeting.collective)) + " while other warps of the warpgroup wait at " +
              name(group.meeting.collective) + " in line " + std::to_string(group.meeting.site.line),
          meeting.site);
  }
  group.meeting = meeting;
  group.arrived |= 1u << index % 4;
  warp.runnable = 0;
  return group.arrived == 0xF;
}

void Block::release_warpgroup(std::uint32_t warpgroup) {
  warpgroups_[warpgroup].arrived = 0;
  for (std::uint32_t i = 0; i < 4; ++i) warps_[4 * warpgroup + i].runnable = warps_[4 * warpgroup + i].live;
}

void Block::set_registers(std::uint32_t warpgroup, std::uint32_t registers, bool increase, const Site& site) {
  const std::uint32_t has = warps_[4 * warpgroup].registers;
  if (increase ? registers < has : registers > has) {
    return add_hazard(HazardKind::kRegisterCount,
                      std::string("setmaxnreg ") + (increase ? "increases" : "decreases") + " to " + std::to_string(registers) +
                          " from " + std::to_string(has),
                      site);
  }
  warpgroups_[warpgroup].wanted_registers = registers;
  if (!grant_registers(warpgroup)) {
    for (std::uint32_t i = 0; i < 4; ++i) warps_[4 * warpgroup + i].runnable = 0;
  } else if (!increase) {
    for (std::uint32_t other = 0; other < warpgroups_.size(); ++other) {
      if (warpgroups_[other].wanted_registers && grant_registers(other)) release_warpgroup(other);
    }
  }
}

// Takes the registers a warpgroup waits for out of those that others have given back, if there are so many.
bool Block::grant_registers(std::uint32_t warpgroup) {
  const std::uint32_t wanted = warpgroups_[warpgroup].wanted_registers, has = warps_[4 * warpgroup].registers;
  if (wanted > has && free_registers_ < (wanted - has) * 128) return false;
  free_registers_ -= (wanted - has) * 128;  // gives back where it is less
  for (std::uint32_t i = 0; i < 4; ++i) warps_[4 * warpgroup + i].registers = wanted;
  warpgroups_[warpgroup].wanted_registers = 0;
  return true;
}

}  // namespace simt::host
