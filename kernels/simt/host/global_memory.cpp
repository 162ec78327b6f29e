#include <simt/host/global_memory.hpp>

#include <algorithm>

namespace simt::host {

void GlobalMemory::add(const void* begin, std::size_t bytes, Access access) {
  if (bytes == 0) return;
  auto history = access == Access::kRead ? nullptr : std::make_unique<std::atomic<History>[]>(bytes);
  regions_.push_back({reinterpret_cast<std::uint64_t>(begin), bytes, access, std::move(history)});
}

const GlobalMemory::Region* GlobalMemory::find(std::uint64_t address, std::size_t bytes) const {
  for (const Region& region : regions_) {
    const std::uint64_t offset = address - region.begin;  // wraps to a huge value below the region
    if (offset < region.bytes && bytes <= region.bytes - offset) return &region;
  }
  return nullptr;
}

GlobalMemory::Verdict GlobalMemory::touch(Touch how, std::uint64_t address, std::size_t bytes, std::uint64_t block) {
  const bool loads = how == Touch::kLoad || how == Touch::kReadOnlyLoad;
  const Region* region = find(address, bytes);
  if (!region) return Verdict::kOutOfBounds;
  if (region->access == Access::kRead) return loads ? Verdict::kOk : Verdict::kOutOfBounds;
  Verdict worst = Verdict::kOk;
  for (std::size_t i = 0, offset = address - region->begin; i < bytes; ++i) {
    std::atomic<History>& history = region->history[offset + i];
    History before = history.load(std::memory_order_relaxed);
    Step next = step(how, before, block, region->access);
    while (next.after != before && !history.compare_exchange_weak(before, next.after, std::memory_order_relaxed)) {
      next = step(how, before, block, region->access);
    }
    worst = std::max(worst, next.verdict);
  }
  return worst;
}

// ---------------------------------------------------------------- what each access makes of a byte's history

GlobalMemory::Step GlobalMemory::step(Touch how, History before, std::uint64_t block, Access access) {
  switch (how) {
    case Touch::kReadOnlyLoad: return step_read_only_load(before, access);
    case Touch::kLoad: return step_load(before, block, access);
    case Touch::kStore: return step_store(before, block);
    case Touch::kAtomic: break;
  }
  return step_atomic(before, block, access);
}

GlobalMemory::Step GlobalMemory::step_read_only_load(History before, Access access) {
  const bool atomic = before == History::shared(History::Sharing::kAtomic);
  if (before.kind() == History::Kind::kStored || atomic) return {Verdict::kReadOnlyPath, before};
  const bool unwritten = before.kind() == History::Kind::kUntouched && access == Access::kWrite;
  return {unwritten ? Verdict::kUninitialised : Verdict::kOk, History::shared(History::Sharing::kReadOnly)};
}

GlobalMemory::Step GlobalMemory::step_load(History before, std::uint64_t block, Access access) {
  switch (before.kind()) {
    case History::Kind::kUntouched:
      return {access == Access::kWrite ? Verdict::kUninitialised : Verdict::kOk, History::loaded(block)};
    case History::Kind::kLoaded:
      return {Verdict::kOk, before.by(block) ? before : History::shared(History::Sharing::kLoadedBySeveral)};
    case History::Kind::kStored: return {before.by(block) ? Verdict::kOk : Verdict::kRace, before};
    case History::Kind::kShared: break;
  }
  return {before.sharing() == History::Sharing::kAtomic ? Verdict::kRace : Verdict::kOk, before};
}

GlobalMemory::Step GlobalMemory::step_store(History before, std::uint64_t block) {
  const History after = History::stored(block);
  switch (before.kind()) {
    case History::Kind::kUntouched: return {Verdict::kOk, after};
    case History::Kind::kLoaded:
    case History::Kind::kStored: return {before.by(block) ? Verdict::kOk : Verdict::kRace, after};
    case History::Kind::kShared: break;
  }
  return {before.sharing() == History::Sharing::kReadOnly ? Verdict::kReadOnlyPath : Verdict::kRace, after};
}

// A block may prepare what it updates afterwards; its plain store stays remembered, for the others who must not update it.
GlobalMemory::Step GlobalMemory::step_atomic(History before, std::uint64_t block, Access access) {
  const History after = History::shared(History::Sharing::kAtomic);
  switch (before.kind()) {
    case History::Kind::kUntouched: return {access == Access::kWrite ? Verdict::kUninitialised : Verdict::kOk, after};
    case History::Kind::kLoaded: return {before.by(block) ? Verdict::kOk : Verdict::kRace, after};
    case History::Kind::kStored: return {before.by(block) ? Verdict::kOk : Verdict::kRace, before};
    case History::Kind::kShared: break;
  }
  switch (before.sharing()) {
    case History::Sharing::kAtomic: return {Verdict::kOk, before};
    case History::Sharing::kReadOnly: return {Verdict::kReadOnlyPath, before};
    case History::Sharing::kLoadedBySeveral: break;
  }
  return {Verdict::kRace, before};
}

}  // namespace simt::host
