#include <simt/host/block.hpp>

#include <algorithm>
#include <cstring>

namespace simt::host {
namespace {

// A kernel gone wrong reports the same thing for every access; past this it is stopped.
constexpr std::uint64_t kHazardsBeforeAbort = 20000;

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

std::string describe(std::uint64_t address, std::uint32_t bytes) {
  return std::to_string(bytes) + " bytes at " + std::to_string(address);
}

}  // namespace

thread_local constinit Block* current_block = nullptr;

const char* name(Collective collective) {
  static constexpr const char* kNames[] = {"nothing", "syncwarp", "barrier", "shuffle", "vote", "redux", "ldmatrix", "mma"};
  return kNames[static_cast<int>(collective)];
}

// ---------------------------------------------------------------- life of a block

void Block::run(const LaunchShape& shape, std::uint64_t index, GlobalMemory& memory, const Options& options,
                const std::function<void()>& kernel) {
  shape_ = shape;
  index_ = index;
  memory_ = &memory;
  options_ = options;
  kernel_ = &kernel;
  random_state_ = mix(options.seed * 0x9E3779B97F4A7C15ull + index + 1) | 1;
  Block* const outer = std::exchange(current_block, this);
  adopt_current_stack(scheduler_);
  prepare();
  schedule();
  if (aborting_) unwind();
  ++counts_.blocks;
  current_block = outer;
}

void Block::prepare() {
  const std::uint32_t warps = shape_.threads / 32;
  aborting_ = false;
  next_warp_ = 0;
  shared_.reset(shape_.shared_bytes, warps, options_.check);
  barriers_ = {};
  copies_.resize(shape_.threads);
  for (CopyQueue& queue : copies_) queue.clear();
  fibers_.resize(shape_.threads);
  started_.assign(shape_.threads, false);
  for (std::uint32_t thread = 0; thread < shape_.threads; ++thread)
    stacks_.prepare(fibers_[thread], thread, &Block::fiber_main);
  warps_.resize(warps);
  for (std::uint32_t i = 0; i < warps; ++i) {
    Warp& warp = warps_[i];
    warp.live = warp.runnable = ~0u;
    warp.arrived = 0;
    warp.clock = {};
    warp.clock[i] = 1;
    warp.log.clear();
  }
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
    block.aborting_ = true;
  }
  block.leave();
}

// The last act of a fiber: hand over, never to be resumed.
void Block::leave() {
  Warp& own = warp();
  const std::uint32_t bit = 1u << thread_ % 32;
  own.live &= ~bit;
  own.runnable &= ~bit;
  FiberContext done;
  if (own.runnable && !aborting_) resume(thread_ / 32 * 32 + static_cast<std::uint32_t>(pick_lane(own.runnable)), done);
  switch_fiber(done, scheduler_);
}

void Block::check_exit() {
  if (!copies_[thread_].copies.empty()) {
    add_hazard(HazardKind::kCopyAtExit, "the thread returns while its copies are in flight",
               copies_[thread_].copies.front().site);
  }
  Warp& own = warp();
  const std::uint32_t others = own.live & ~(1u << thread_ % 32);
  if (others && own.arrived == others) {
    abort(HazardKind::kDivergentCollective,
          "a lane returned while the rest of its warp waits at " + std::string(name(own.meeting.collective)), own.meeting.site);
  }
  if (!others && options_.count) own.log.flush(counter_);
}

// ---------------------------------------------------------------- scheduling

void Block::schedule() {
  while (!aborting_) {
    const int warp = pick_warp();
    if (warp >= 0) {
      next_warp_ = static_cast<std::uint32_t>(warp);
      resume(next_warp_ * 32 + static_cast<std::uint32_t>(pick_lane(warps_[next_warp_].runnable)), scheduler_);
      continue;
    }
    const bool finished = std::all_of(warps_.begin(), warps_.end(), [](const Warp& warp) { return warp.live == 0; });
    if (finished) return;
    report_stuck();
  }
}

// The warp to run next, or -1. A warp keeps running while it can: switching only where it must makes the shortest schedule, and
// the three orders together make the extremes.
int Block::pick_warp() {
  const int warps = static_cast<int>(warps_.size());
  const int start = options_.order == Order::kRandom ? static_cast<int>(random() % static_cast<std::uint32_t>(warps))
                                                     : static_cast<int>(next_warp_);
  for (int i = 0; i < warps; ++i) {
    const int warp = options_.order == Order::kReverse ? warps - 1 - i : (start + i) % warps;
    if (warps_[static_cast<std::size_t>(warp)].runnable) return warp;
  }
  return -1;
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
  if (aborting_) throw Aborted{};
}

void Block::yield() {
  switch_fiber(fibers_[thread_], scheduler_);
  if (aborting_) throw Aborted{};
}

// Lets every suspended fiber leave by an exception, so that destructors on its stack run.
void Block::unwind() {
  for (std::uint32_t thread = 0; thread < shape_.threads; ++thread) {
    const bool suspended = started_[thread] && (warps_[thread / 32].live >> thread % 32 & 1);
    if (suspended) resume(thread, scheduler_);
  }
}

// Nobody can run. Lanes of one warp apart from the rest of it are divergence, anything else is a deadlock.
void Block::report_stuck() {
  aborting_ = true;
  std::string waiting;
  const Warp* culprit = nullptr;
  const auto partial = [](const Warp& warp) { return warp.arrived && warp.arrived != warp.live; };
  for (const Warp& warp : warps_) {
    if (!warp.live) continue;
    if (!culprit || (partial(warp) && !partial(*culprit))) culprit = &warp;
    waiting += (waiting.empty() ? "warp " : ", warp ") + std::to_string(index_of(warp)) + " at " +
               name(warp.meeting.collective) + " in line " + std::to_string(warp.meeting.site.line);
  }
  const HazardKind kind = partial(*culprit) ? HazardKind::kDivergentCollective : HazardKind::kDeadlock;
  const auto lane = static_cast<std::uint32_t>(std::countr_zero(culprit->live));
  add_hazard(kind, "no thread can run: " + waiting, culprit->meeting.site, index_of(*culprit) * 32 + lane);
}

std::uint32_t Block::random() {  // xorshift64
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return static_cast<std::uint32_t>(random_state_ >> 32);
}

// ---------------------------------------------------------------- collectives and barriers

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
  barrier.expected = threads;
  barrier.arrived += 32;
  barrier.participants |= bit;
  barrier.predicates += predicates;
  if (waits) {
    barrier.waiting |= bit;
    warp.runnable = 0;
  }
  if (barrier.arrived < barrier.expected) return;

  VectorClock all{};
  const auto for_each = [this](std::uint32_t set, auto&& f) {
    for (; set; set &= set - 1) f(warps_[static_cast<std::size_t>(std::countr_zero(set))]);
  };
  for_each(barrier.participants, [&](Warp& w) { join(all, w.clock); });
  for_each(barrier.waiting, [&](Warp& w) {
    join(w.clock, all);
    w.runnable = w.live;
  });
  for_each(barrier.participants, [&](Warp& w) { ++w.clock[index_of(w)]; });
  barrier = {.result = barrier.predicates};
  ++counts_.barriers;
}

// ---------------------------------------------------------------- memory

bool Block::within_shared(std::uint32_t address, std::uint32_t bytes, const Site& site, std::uint32_t thread) {
  if (address % bytes) {
    add_hazard(HazardKind::kMisaligned, "shared " + describe(address - SharedMemory::kBase, bytes), site, thread);
    return false;
  }
  if (!shared_.contains(address, bytes)) {
    add_hazard(HazardKind::kSharedOutOfBounds,
               describe(address - SharedMemory::kBase, bytes) + " of " + std::to_string(shared_.bytes()), site, thread);
    return false;
  }
  return true;
}

void Block::judge_shared(SharedMemory::Verdict verdict, bool writes, const Site& site, std::uint32_t thread) {
  const auto action = [writes] { return std::string(writes ? "write" : "read"); };
  switch (verdict.finding) {
    case SharedMemory::Finding::kNone: break;
    case SharedMemory::Finding::kInFlight:
      add_hazard(writes ? HazardKind::kWriteInFlight : HazardKind::kReadInFlight,
                 action() + " of shared bytes whose asynchronous copy has not completed", site, thread);
      break;
    case SharedMemory::Finding::kUninitialised:
      add_hazard(HazardKind::kUninitialisedRead, "shared bytes that no thread of the block wrote", site, thread);
      break;
    case SharedMemory::Finding::kRace:
      add_hazard(HazardKind::kRace, action() + " not ordered after an access by warp " + std::to_string(verdict.other_warp),
                 site, thread);
      break;
  }
}

bool Block::access_shared(Operation operation, std::uint32_t address, std::uint32_t bytes, std::uint32_t thread,
                          const Site& site) {
  if (!within_shared(address, bytes, site, thread)) return false;
  const Accessor by{thread, &warps_[thread / 32].clock};
  const bool copies = operation == Operation::kAsyncCopyShared;
  const bool writes = copies || operation == Operation::kSharedStore;
  const auto verdict = writes ? shared_.write(address, bytes, by, copies) : shared_.read(address, bytes, by);
  if (verdict.finding != SharedMemory::Finding::kNone) judge_shared(verdict, writes, site, thread);
  return true;
}

bool Block::update_shared(std::uint32_t address, std::uint32_t bytes, const Site& site) {
  if (!within_shared(address, bytes, site, thread_)) return false;
  judge_shared(shared_.update_atomically(address, {thread_, &warp().clock}), true, site, thread_);
  return true;
}

bool Block::access_global(Operation operation, std::uint64_t address, std::uint32_t bytes, std::uint32_t alignment,
                          const Site& site) {
  if (address % alignment) {
    add_hazard(HazardKind::kMisaligned, "global access of " + std::to_string(alignment) + " bytes", site);
    return false;
  }
  switch (operation) {
    case Operation::kGlobalLoad: return judge_global(GlobalMemory::Touch::kReadOnlyLoad, "load", address, bytes, site);
    case Operation::kGlobalStore: return judge_global(GlobalMemory::Touch::kStore, "store", address, bytes, site);
    default: return judge_global(GlobalMemory::Touch::kLoad, "asynchronous copy", address, bytes, site);
  }
}

bool Block::load_global_l2(std::uint64_t address, std::uint32_t bytes, const Site& site) {
  if (address % bytes) {
    add_hazard(HazardKind::kMisaligned, "global access of " + std::to_string(bytes) + " bytes", site);
    return false;
  }
  return judge_global(GlobalMemory::Touch::kLoad, "load", address, bytes, site);
}

bool Block::update_global(std::uint64_t address, std::uint32_t bytes, const Site& site) {
  if (address % bytes) {
    add_hazard(HazardKind::kMisaligned, "atomic of " + std::to_string(bytes) + " bytes", site);
    return false;
  }
  return judge_global(GlobalMemory::Touch::kAtomic, "atomic", address, bytes, site);
}

bool Block::judge_global(GlobalMemory::Touch touch, const char* action, std::uint64_t address, std::uint32_t bytes,
                         const Site& site) {
  if (!options_.check) return true;
  const auto access = [=] { return std::string(action) + " of " + std::to_string(bytes) + " global bytes "; };
  switch (memory_->touch(touch, address, bytes, index_)) {
    case GlobalMemory::Verdict::kOk: return true;
    case GlobalMemory::Verdict::kOutOfBounds:
      add_hazard(HazardKind::kGlobalOutOfBounds, access() + "outside what it may touch", site);
      return false;
    case GlobalMemory::Verdict::kUninitialised:
      add_hazard(HazardKind::kUninitialisedRead, access() + "that no thread wrote", site);
      return true;
    case GlobalMemory::Verdict::kReadOnlyPath:
      add_hazard(HazardKind::kReadOnlyPath, access() + "that one launch both writes and loads through the read-only path",
                 site);
      return true;
    case GlobalMemory::Verdict::kRace:
      add_hazard(HazardKind::kRace, access() + "not ordered after an access by another block", site);
      return true;
  }
  return true;
}

void Block::record(Operation operation, std::uint64_t address, std::uint32_t bytes, const Site& site) {
  if (options_.count) warp().log.record(thread_ % 32, operation, site, address, bytes);
}

void Block::count_request(Operation operation, const Site& site, const WarpRequest& request) {
  if (options_.count) counter_.add(operation, site, request);
}

// ---------------------------------------------------------------- asynchronous copies

void Block::CopyQueue::clear() {
  copies.clear();
  group_sizes.clear();
  committed = 0;
}

void Block::start_copy(std::uint32_t destination, std::uint64_t source, std::uint32_t bytes, std::uint32_t valid,
                       const Site& site) {
  if (source % bytes) {
    add_hazard(HazardKind::kMisaligned, "source of an asynchronous copy of " + std::to_string(bytes) + " bytes", site);
    return;
  }
  if (!access_shared(Operation::kAsyncCopyShared, destination, bytes, thread_, site)) return;
  if (valid && !access_global(Operation::kAsyncCopyGlobal, source, valid, 1, site)) valid = 0;
  std::memset(shared_.at(destination), SharedMemory::kPoison, bytes);
  record(Operation::kAsyncCopyShared, destination, bytes, site);
  if (valid) record(Operation::kAsyncCopyGlobal, source, valid, site);
  copies_[thread_].copies.push_back({destination, source, bytes, valid, site});
}

void Block::commit_copies() {
  CopyQueue& queue = copies_[thread_];
  queue.group_sizes.push_back(queue.copies.size() - queue.committed);
  queue.committed = queue.copies.size();
}

void Block::wait_for_copies(std::uint32_t pending_groups) {
  CopyQueue& queue = copies_[thread_];
  if (queue.group_sizes.size() <= pending_groups) return;
  const std::size_t groups = queue.group_sizes.size() - pending_groups;
  std::size_t landing = 0;
  for (std::size_t i = 0; i < groups; ++i) landing += queue.group_sizes[i];
  const Accessor by{thread_, &warp().clock};
  for (std::size_t i = 0; i < landing; ++i) {
    const Copy& copy = queue.copies[i];
    std::uint8_t* bytes = shared_.at(copy.destination);
    std::memcpy(bytes, reinterpret_cast<const void*>(copy.source), copy.valid);
    std::memset(bytes + copy.valid, 0, copy.bytes - copy.valid);
    shared_.land(copy.destination, copy.bytes, by);
  }
  queue.copies.erase(queue.copies.begin(), queue.copies.begin() + static_cast<std::ptrdiff_t>(landing));
  queue.group_sizes.erase(queue.group_sizes.begin(), queue.group_sizes.begin() + static_cast<std::ptrdiff_t>(groups));
  queue.committed -= landing;
}

// ---------------------------------------------------------------- findings

void Block::add_hazard(HazardKind kind, std::string detail, const Site& site, std::uint32_t thread) {
  ++hazard_total_;
  if (hazards_.size() < options_.max_hazards) hazards_.push_back({kind, std::move(detail), site, index_, thread});
  if (hazard_total_ > kHazardsBeforeAbort && !aborting_) {
    aborting_ = true;
    throw Aborted{};
  }
}

void Block::abort(HazardKind kind, std::string detail, const Site& site) {
  add_hazard(kind, std::move(detail), site);
  aborting_ = true;
  throw Aborted{};
}

void Block::clear_findings() {
  counts_ = {};
  counter_.clear();
  hazards_.clear();
  hazard_total_ = 0;
  failure_ = nullptr;
}

}  // namespace simt::host
