#include <simt/host/global_memory.hpp>

#include <algorithm>
#include <thread>

namespace simt::host {

void GlobalMemory::add(const void* begin, std::size_t bytes, Access access) {
  if (bytes == 0) return;
  auto history = access == Access::kRead ? ZeroedMemory<History>() : ZeroedMemory<History>(bytes);
  regions_.push_back({reinterpret_cast<std::uint64_t>(begin), bytes, access, std::move(history)});
}

GlobalMemory::Verdict GlobalMemory::touch(Touch how, std::uint64_t address, std::size_t bytes, const Toucher& by) {
  const bool loads = how == Touch::kLoad || how == Touch::kReadOnlyLoad;
  const Region* region = find(address, bytes);
  if (!region) return Verdict::kOutOfBounds;
  if (region->access == Access::kRead) return loads ? Verdict::kOk : Verdict::kOutOfBounds;
  Verdict worst = Verdict::kOk;
  const std::size_t first = address - region->begin, last = first + bytes;
  for (std::size_t at = first, stripe_end = 0; at < last; at = stripe_end) {
    stripe_end = std::min(last, (at / kStripeBytes + 1) * kStripeBytes);
    worst = std::max(worst, touch_stripe(how, *region, at, stripe_end, by));
  }
  return worst;
}

// One lock for many bytes costs less than an atomic update of each. Their history is mostly the same: judged once.
GlobalMemory::Verdict GlobalMemory::touch_stripe(Touch how, const Region& region, std::size_t first, std::size_t last,
                                                 const Toucher& by) {
  std::atomic_flag& lock = locks_[first / kStripeBytes % locks_.size()];
  while (lock.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  History known = region.history[first];
  Step next = step(how, known, by, region.access);
  Verdict worst = next.verdict;
  for (std::size_t i = first; i < last; ++i) {
    History& history = region.history[i];
    if (history != known) {
      next = step(how, known = history, by, region.access);
      worst = std::max(worst, next.verdict);
    }
    history = next.after;
  }
  lock.clear(std::memory_order_release);
  return worst;
}

Acquired GlobalMemory::synchronise(std::uint64_t counter, GlobalOrder::Release release) {
  release.block = History::tag(release.block);
  return order_.synchronise(counter, release);
}

// ---------------------------------------------------------------- what each access makes of a byte's history

GlobalMemory::History::History(Kind kind, const BlockTime& by, std::uint16_t reader)
    : packed_(static_cast<std::uint64_t>(kind) | std::uint64_t{by.warp} << 3 |
              std::uint64_t{std::min(by.epoch, kNeverReleased)} << 8 | std::uint64_t{tag(by.block)} << 32 |
              std::uint64_t{reader} << 48) {}

GlobalMemory::History GlobalMemory::History::loaded_since(const BlockTime& by) const {
  return {Kind::kStored, time(), loaded_since_by_others(by) ? kSeveral : tag(by.block)};
}

bool GlobalMemory::ordered(History store, const Toucher& by) const {
  const BlockTime time = store.time();
  if (time.epoch == kNeverReleased) return false;
  const auto covers = [&](const Acquired* known) { return known && !known->empty() && order_.before(time, *known); };
  return covers(by.by_warp) || covers(by.by_lane);
}

GlobalMemory::Step GlobalMemory::step(Touch how, History before, const Toucher& by, Access access) const {
  switch (how) {
    case Touch::kReadOnlyLoad: return step_read_only_load(before, access);
    case Touch::kLoad: return step_load(before, by, access);
    case Touch::kStore: return step_store(before, by);
    case Touch::kAtomic: break;
  }
  return step_atomic(before, by, access);
}

GlobalMemory::Step GlobalMemory::step_read_only_load(History before, Access access) {
  if (before.kind() == History::Kind::kStored || before.kind() == History::Kind::kAtomic) {
    return {Verdict::kReadOnlyPath, before};
  }
  const bool unwritten = before.kind() == History::Kind::kUntouched && access == Access::kWrite;
  return {unwritten ? Verdict::kUninitialised : Verdict::kOk, History::of(History::Kind::kReadOnly)};
}

GlobalMemory::Step GlobalMemory::step_load(History before, const Toucher& by, Access access) const {
  switch (before.kind()) {
    case History::Kind::kUntouched:
      return {access == Access::kWrite ? Verdict::kUninitialised : Verdict::kOk, History::loaded(by.time)};
    case History::Kind::kLoaded:
      return {Verdict::kOk, before.by(by.time) ? before : History::of(History::Kind::kLoadedBySeveral)};
    case History::Kind::kStored:
      if (before.by(by.time)) return {Verdict::kOk, before};
      return ordered(before, by) ? Step{Verdict::kOk, before.loaded_since(by.time)} : Step{Verdict::kRace, before};
    case History::Kind::kAtomic: return {Verdict::kRace, before};
    case History::Kind::kLoadedBySeveral:
    case History::Kind::kReadOnly: break;
  }
  return {Verdict::kOk, before};
}

GlobalMemory::Step GlobalMemory::step_store(History before, const Toucher& by) const {
  const History after = History::stored(by.time);
  switch (before.kind()) {
    case History::Kind::kUntouched: return {Verdict::kOk, after};
    case History::Kind::kLoaded: return {before.by(by.time) ? Verdict::kOk : Verdict::kRace, after};
    case History::Kind::kStored: {
      const bool after_store = before.by(by.time) || ordered(before, by);
      return {after_store && !before.loaded_since_by_others(by.time) ? Verdict::kOk : Verdict::kRace, after};
    }
    case History::Kind::kReadOnly: return {Verdict::kReadOnlyPath, after};
    case History::Kind::kLoadedBySeveral:
    case History::Kind::kAtomic: break;
  }
  return {Verdict::kRace, after};
}

// A block may prepare what it updates afterwards; its plain store stays remembered, for the others who must not update it.
GlobalMemory::Step GlobalMemory::step_atomic(History before, const Toucher& by, Access access) {
  const History after = History::of(History::Kind::kAtomic);
  switch (before.kind()) {
    case History::Kind::kUntouched: return {access == Access::kWrite ? Verdict::kUninitialised : Verdict::kOk, after};
    case History::Kind::kLoaded: return {before.by(by.time) ? Verdict::kOk : Verdict::kRace, after};
    case History::Kind::kStored: {
      const bool own = before.by(by.time) && !before.loaded_since_by_others(by.time);
      return own ? Step{Verdict::kOk, History::stored(by.time)} : Step{Verdict::kRace, before};
    }
    case History::Kind::kAtomic: return {Verdict::kOk, before};
    case History::Kind::kReadOnly: return {Verdict::kReadOnlyPath, before};
    case History::Kind::kLoadedBySeveral: break;
  }
  return {Verdict::kRace, before};
}

}  // namespace simt::host
