// The accesses of a block: judged, recorded, reported.
#include <algorithm>

#include <simt/host/cluster.hpp>

namespace simt::host {
namespace {

// A kernel gone wrong reports the same thing for every access; past this it is stopped.
constexpr std::uint64_t kHazardsBeforeAbort = 20000;

std::string describe(std::uint64_t address, std::uint32_t bytes) {
  return std::to_string(bytes) + " bytes at " + std::to_string(address);
}

}  // namespace

// ---------------------------------------------------------------- memory

bool Block::within_shared(std::uint32_t address, std::uint32_t bytes, std::uint32_t alignment, const Site& site,
                          std::uint32_t thread) {
  if (address % alignment) {
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
      add_hazard(HazardKind::kRace, action() + " not ordered after an access by " + cluster_->name_of_agent(verdict.other),
                 site, thread);
      break;
    case SharedMemory::Finding::kUnfenced:
      add_hazard(HazardKind::kMissingProxyFence,
                 action() + " by the asynchronous proxy of what " + cluster_->name_of_agent(verdict.other) +
                     " wrote without fence_proxy_async since",
                 site, thread);
      break;
    case SharedMemory::Finding::kUnderRead:
      add_hazard(HazardKind::kWriteUnderRead, "write of shared bytes that an asynchronous operation still reads", site, thread);
      break;
    case SharedMemory::Finding::kMbarrier:
      add_hazard(HazardKind::kMbarrier, action() + " of the bytes of an mbarrier", site, thread);
      break;
  }
}

bool Block::access_shared(Operation operation, std::uint32_t address, std::uint32_t bytes, std::uint32_t thread,
                          const Site& site) {
  if (!within_shared(address, bytes, bytes, site, thread)) return false;
  const Accessor by = accessor(thread);
  warps_[thread / 32].last_access[thread % 32] = by.epoch();
  const bool copies = operation == Operation::kAsyncCopyShared;
  const bool writes = copies || operation == Operation::kSharedStore;
  const auto verdict = writes ? shared_.write(address, bytes, by, copies) : shared_.read(address, bytes, by);
  if (verdict.finding != SharedMemory::Finding::kNone) judge_shared(verdict, writes, site, thread);
  return true;
}

bool Block::update_shared(std::uint32_t address, std::uint32_t bytes, const Site& site) {
  if (!within_shared(address, bytes, bytes, site, thread_)) return false;
  warp().last_access[thread_ % 32] = warp().epoch();
  judge_shared(shared_.update_atomically(address, accessor(thread_)), true, site, thread_);
  return true;
}

void Block::note_visit(const Warp& visitor, const Site& site) {
  const auto same = [&](const Visit& visit) { return visit.agent == visitor.agent; };
  const auto found = std::find_if(visits_.begin(), visits_.end(), same);
  if (found == visits_.end())
    visits_.push_back({visitor.agent, visitor.epoch(), site});
  else
    *found = {visitor.agent, visitor.epoch(), site};
}

bool Block::access_peer(Block& owner, bool writes, std::uint32_t address, std::uint32_t bytes, const Site& site) {
  if (owner.finished()) {
    add_hazard(HazardKind::kPeerExited, "access to the shared memory of a block of the cluster that has returned", site);
    return false;
  }
  if (!within_shared(address, bytes, bytes, site, thread_)) return false;
  const Accessor by = accessor(thread_);
  warp().last_access[thread_ % 32] = by.epoch();
  if (&owner != this) owner.note_visit(warp(), site);
  if (writes && &owner != this && warp().peer_store == 0) warp().peer_store = by.epoch();
  const auto verdict = writes ? owner.shared_.write(address, bytes, by, false) : owner.shared_.read(address, bytes, by);
  if (verdict.finding != SharedMemory::Finding::kNone) judge_shared(verdict, writes, site, thread_);
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
    case Operation::kGlobalStore:
      warp().last_store[thread_ % 32] = warp().epoch();
      return judge_global(GlobalMemory::Touch::kStore, "store", address, bytes, site);
    default: return judge_global(GlobalMemory::Touch::kLoad, "asynchronous copy", address, bytes, site);
  }
}

bool Block::load_global_coherent(std::uint64_t address, std::uint32_t bytes, const Site& site) {
  if (address % bytes) {
    add_hazard(HazardKind::kMisaligned, "global access of " + std::to_string(bytes) + " bytes", site);
    return false;
  }
  return judge_global(GlobalMemory::Touch::kLoad, "load", address, bytes, site);
}

bool Block::update_global(std::uint64_t address, std::uint32_t bytes, bool synchronises, const Site& site) {
  if (address % bytes) {
    add_hazard(HazardKind::kMisaligned, "atomic of " + std::to_string(bytes) + " bytes", site);
    return false;
  }
  cluster_->take_turn();
  if (!judge_global(GlobalMemory::Touch::kAtomic, "atomic", address, bytes, site)) return false;
  if (synchronises && options_.check) synchronise_global(address);
  return true;
}

// Time is counted in warps: the warp's open epoch is released only where no other lane stored in it. What was acquired is the
// lane's alone until the lanes are ordered.
void Block::synchronise_global(std::uint64_t counter) {
  Warp& own = warp();
  const std::uint32_t lane = thread_ % 32;
  GlobalOrder::Release release{index_, {}, own.known.acquired};
  for (std::uint32_t i = 0; i < shape_.warps(); ++i) release.warps.raise(i, own.known.time[first_agent_ + i]);
  for (std::uint32_t other = 0; other < 32; ++other) {
    if (other != lane && own.last_store[other] >= own.converged) release.warps.limit(index_of(own), own.converged - 1);
  }
  if (const Acquired* known = own.acquired_by(lane)) release.acquired.join(*known);
  own.known.time.advance(own.agent);
  std::erase(own.lane_acquired, lane);
  own.lane_acquired.push_back({lane, memory_->synchronise(counter, release)});  // which has the release's own among them
}

bool Block::judge_global(GlobalMemory::Touch touch, const char* action, std::uint64_t address, std::uint32_t bytes,
                         const Site& site) {
  if (!options_.check) return true;
  const bool loads = touch == GlobalMemory::Touch::kLoad || touch == GlobalMemory::Touch::kReadOnlyLoad;
  if (loads && memory_->is_input(address, bytes)) return true;
  const Warp& own = warp();
  const BlockTime now{index_, index_of(own), own.epoch()};
  return judge_global(touch, action, address, bytes, {now, &own.known.acquired, own.acquired_by(thread_ % 32)}, site);
}

bool Block::judge_global_bulk(GlobalMemory::Touch touch, const char* action, std::uint64_t address, std::uint32_t bytes,
                              const Site& site) {
  if (!options_.check) return true;
  return judge_global(touch, action, address, bytes, {{index_, index_of(warp()), GlobalMemory::kNeverReleased}}, site);
}

bool Block::judge_global(GlobalMemory::Touch touch, const char* action, std::uint64_t address, std::uint32_t bytes,
                         const GlobalMemory::Toucher& by, const Site& site) {
  const auto access = [=] { return std::string(action) + " of " + std::to_string(bytes) + " global bytes "; };
  switch (memory_->touch(touch, address, bytes, by)) {
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

void Block::count(Operation operation, const Site& site, const Transactions& transactions) {
  if (options_.count) counter_.add(operation, site, transactions);
}

// ---------------------------------------------------------------- findings

void Block::add_hazard(HazardKind kind, std::string detail, const Site& site, std::uint32_t thread) {
  ++hazard_total_;
  if (hazards_.size() < options_.max_hazards) hazards_.push_back({kind, std::move(detail), site, index_, thread});
  if (hazard_total_ > kHazardsBeforeAbort && !cluster_->aborting()) {
    cluster_->abort();
    throw Aborted{};
  }
}

void Block::abort(HazardKind kind, std::string detail, const Site& site) {
  add_hazard(kind, std::move(detail), site);
  cluster_->abort();
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
