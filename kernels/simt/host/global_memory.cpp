#include <simt/host/global_memory.hpp>

namespace simt::host {

void GlobalMemory::add(const void* begin, std::size_t bytes, Access access) {
  if (bytes == 0) return;
  auto owners = access == Access::kRead ? nullptr : std::make_unique<Owner[]>(bytes);
  regions_.push_back({reinterpret_cast<std::uint64_t>(begin), bytes, access, std::move(owners)});
}

const GlobalMemory::Region* GlobalMemory::find(std::uint64_t address, std::size_t bytes) const {
  for (const Region& region : regions_) {
    const std::uint64_t offset = address - region.begin;  // wraps to a huge value below the region
    if (offset < region.bytes && bytes <= region.bytes - offset) return &region;
  }
  return nullptr;
}

GlobalMemory::Verdict GlobalMemory::read(std::uint64_t address, std::size_t bytes, std::uint64_t block) const {
  const Region* region = find(address, bytes);
  if (!region) return Verdict::kOutOfBounds;
  if (region->access == Access::kRead) return Verdict::kOk;
  for (std::size_t i = 0, offset = address - region->begin; i < bytes; ++i) {
    const std::uint16_t owner = region->owners[offset + i].load(std::memory_order_relaxed);
    if (owner != 0 && owner != tag(block)) return Verdict::kRace;
    if (owner == 0 && region->access == Access::kWrite) return Verdict::kUninitialised;
  }
  return Verdict::kOk;
}

GlobalMemory::Verdict GlobalMemory::write(std::uint64_t address, std::size_t bytes, std::uint64_t block) {
  const Region* region = find(address, bytes);
  if (!region || region->access == Access::kRead) return Verdict::kOutOfBounds;
  Verdict verdict = Verdict::kOk;
  for (std::size_t i = 0, offset = address - region->begin; i < bytes; ++i) {
    const std::uint16_t before = region->owners[offset + i].exchange(tag(block), std::memory_order_relaxed);
    if (before != 0 && before != tag(block)) verdict = Verdict::kRace;
  }
  return verdict;
}

GlobalMemory::Verdict GlobalMemory::update_atomically(std::uint64_t address, std::size_t bytes) const {
  const Region* region = find(address, bytes);
  return region && region->access == Access::kReadWrite ? Verdict::kOk : Verdict::kOutOfBounds;
}

}  // namespace simt::host
