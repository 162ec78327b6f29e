#include <simt/host/mbarrier.hpp>

#include <algorithm>

#include <simt/host/cluster.hpp>

namespace simt::host {
namespace {

// PTX ISA, "Valid range for mbarrier object": counts, and bytes announced in one phase.
constexpr std::uint32_t kMaxCount = (1u << 20) - 1;
constexpr std::int64_t kMaxBytes = (1 << 20) - 1;
constexpr std::uint32_t kBytes = 8;

std::string at(std::uint32_t address) { return "the mbarrier at " + std::to_string(address - SharedMemory::kBase); }

// What an arrival at another block's object does not release: the block's stores into others, and, as time has no gaps, what
// came after them; and what was acquired in global memory.
void forget_peer_stores(Knowledge& known, Block& by) {
  known.acquired.clear();
  for (const Block::Warp& warp : by.warps()) {
    if (warp.peer_store) known.time.limit(warp.agent, warp.peer_store - 1);
  }
}

}  // namespace

Mbarriers::Mbarrier* Mbarriers::find(std::uint32_t address) {
  const auto found =
      std::find_if(barriers_.begin(), barriers_.end(), [=](const Mbarrier& barrier) { return barrier.address == address; });
  return found == barriers_.end() ? nullptr : &*found;
}

Mbarriers::Mbarrier* Mbarriers::use(Block& by, std::uint32_t address, const char* operation, const Site& site) {
  Mbarrier* barrier = find(address);
  if (!barrier) {
    by.add_hazard(HazardKind::kMbarrier, std::string(operation) + " where no mbarrier is initialised", site);
    return nullptr;
  }
  if (!owner_.shared().mbarrier_visible(address, by.accessor(by.thread()))) {
    by.add_hazard(HazardKind::kRace, std::string(operation) + " not ordered after the initialisation of " + at(address), site);
    return nullptr;
  }
  if (&by != &owner_ && !barrier->published) {
    by.add_hazard(HazardKind::kMbarrier,
                  "another block uses " + at(address) + " without fence_mbarrier_init after its initialisation", site);
    return nullptr;
  }
  return barrier;
}

void Mbarriers::initialise(std::uint32_t address, std::uint32_t count, const Site& site) {
  if (!owner_.within_shared(address, kBytes, kBytes, site, owner_.thread())) return;
  if (find(address)) {
    return owner_.add_hazard(HazardKind::kMbarrier, at(address) + " is initialised already: invalidate it first", site);
  }
  if (count == 0 || count > kMaxCount) {
    return owner_.add_hazard(HazardKind::kMbarrier, std::to_string(count) + " arrivals: 1 to 1048575 are possible", site);
  }
  owner_.judge_shared(owner_.shared().reserve_mbarrier(address, owner_.accessor(owner_.thread())), true, site, owner_.thread());
  Mbarrier& barrier = barriers_.emplace_back();
  barrier.address = address;
  barrier.agent = owner_.cluster().new_agent();
  barrier.count = barrier.pending = count;
  barrier.initialiser = owner_.thread();
}

void Mbarriers::invalidate(std::uint32_t address, const Site& site) {
  Mbarrier* barrier = use(owner_, address, "invalidation", site);
  if (!barrier) return;
  if (!barrier->waiters.empty() || barrier->bytes != 0) {
    owner_.add_hazard(HazardKind::kMbarrier, at(address) + " is invalidated while in use", site);
  }
  owner_.shared().release_mbarrier(address);
  barriers_.erase(barriers_.begin() + (barrier - barriers_.data()));
}

void Mbarriers::publish() {
  for (Mbarrier& barrier : barriers_) barrier.published |= barrier.initialiser == owner_.thread();
}

// An arrival hands on what the thread knows and did. Time is counted in warps: the warp's open epoch is handed on only where no
// other lane touched shared memory in it, or all that did have arrived too.
void Mbarriers::hand_over(Mbarrier& barrier, Block& by) {
  Block::Warp& warp = by.warp();
  const std::uint32_t lane = by.thread() % 32;
  auto found = std::find_if(barrier.arrivals.begin(), barrier.arrivals.end(), [&](const Arrivals& arrivals) {
    return arrivals.agent == warp.agent && arrivals.since == warp.converged;
  });
  if (found == barrier.arrivals.end()) found = barrier.arrivals.insert(found, {warp.agent, warp.converged, 0});
  found->lanes |= 1u << lane;
  bool all_covered = true;
  for (std::uint32_t i = 0; i < 32; ++i) {
    all_covered &= warp.last_access[i] < warp.converged || (found->lanes >> i & 1);
  }
  Knowledge known = warp.known;
  if (const Acquired* own = warp.acquired_by(lane)) known.acquired.join(*own);
  if (!all_covered) known.time.limit(warp.agent, warp.converged - 1);
  if (&by != &owner_) forget_peer_stores(known, by);
  barrier.arriving.join(known);
  warp.known.time.advance(warp.agent);
}

void Mbarriers::arrive(Block& by, std::uint32_t address, std::uint32_t expected, const Site& site) {
  Mbarrier* barrier = use(by, address, "an arrival", site);
  if (!barrier) return;
  if (barrier->pending == 0) {
    return by.add_hazard(HazardKind::kMbarrier, "more arrivals at " + at(address) + " than one phase takes", site);
  }
  if (expected && !expect(*barrier, expected, site, by)) return;
  if (&by != &owner_) owner_.note_visit(by.warp(), site);
  hand_over(*barrier, by);
  --barrier->pending;
  end_phase_if_complete(*barrier);
}

void Mbarriers::expect(std::uint32_t address, std::uint32_t bytes, const Site& site) {
  Mbarrier* barrier = use(owner_, address, "an announcement of bytes", site);
  if (barrier) expect(*barrier, bytes, site, owner_);
}

bool Mbarriers::expect(Mbarrier& barrier, std::uint32_t bytes, const Site& site, Block& by) {
  if (barrier.bytes + bytes > kMaxBytes) {
    by.add_hazard(HazardKind::kMbarrier, "more than 2^20 - 1 bytes announced at " + at(barrier.address), site);
    return false;
  }
  barrier.bytes += bytes;
  return true;
}

bool Mbarriers::wait(std::uint32_t address, std::uint32_t parity, const Site& site) {
  Mbarrier* barrier = use(owner_, address, "a wait", site);
  if (!barrier) return false;
  if ((barrier->phase & 1) != (parity & 1)) {  // the phase of that parity is behind us
    owner_.warp().known.join(barrier->completed);
    return true;
  }
  barrier->waiters.push_back({owner_.thread(), parity & 1});
  owner_.wait_at_mbarrier(site);
  return true;
}

bool Mbarriers::accepts_load(Block& by, std::uint32_t address, const Site& site) {
  Mbarrier* barrier = use(by, address, "a bulk load", site);
  if (!barrier) return false;
  if (!barrier->published) {
    by.add_hazard(HazardKind::kMbarrier,
                  "a bulk load reports to " + at(address) + " without fence_mbarrier_init after its initialisation", site);
    return false;
  }
  return true;
}

Mbarriers::Writer Mbarriers::writer(std::uint32_t address) const {
  const Mbarrier* barrier = const_cast<Mbarriers*>(this)->find(address);
  return barrier ? Writer{barrier->agent, barrier->phase + 1} : Writer{0, 0};
}

void Mbarriers::complete(std::uint32_t address, std::uint32_t bytes, const Knowledge& issuer) {
  Mbarrier* barrier = find(address);
  if (!barrier) return;
  barrier->arriving.join(issuer);
  barrier->arriving.time.raise(barrier->agent, barrier->phase + 1);
  barrier->bytes -= bytes;
  end_phase_if_complete(*barrier);
}

void Mbarriers::end_phase_if_complete(Mbarrier& barrier) {
  if (barrier.pending || barrier.bytes) return;
  const std::uint32_t ended = barrier.phase++ & 1;
  barrier.pending = barrier.count;
  barrier.arrivals.clear();
  barrier.completed = barrier.arriving;
  for (const Waiter& waiter : barrier.waiters) {
    if (waiter.parity != ended) continue;
    owner_.warps()[waiter.thread / 32].known.join(barrier.completed);
    owner_.wake(waiter.thread);
  }
  std::erase_if(barrier.waiters, [=](const Waiter& waiter) { return waiter.parity == ended; });
}

}  // namespace simt::host
