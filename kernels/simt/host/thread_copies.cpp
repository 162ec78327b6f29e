#include <simt/host/thread_copies.hpp>

#include <cstring>

#include <simt/host/block.hpp>

namespace simt::host {

void ThreadCopies::clear() {
  copies_.clear();
  group_sizes_.clear();
  committed_ = 0;
}

void ThreadCopies::start(Block& block, std::uint32_t destination, std::uint64_t source, std::uint32_t bytes,
                         std::uint32_t valid, const Site& site) {
  if (source % bytes) {
    block.add_hazard(HazardKind::kMisaligned, "source of an asynchronous copy of " + std::to_string(bytes) + " bytes", site);
    return;
  }
  if (!block.access_shared(Operation::kAsyncCopyShared, destination, bytes, block.thread(), site)) return;
  if (valid && !block.access_global(Operation::kAsyncCopyGlobal, source, valid, 1, site)) valid = 0;
  std::memset(block.shared().at(destination), SharedMemory::kPoison, bytes);
  block.record(Operation::kAsyncCopyShared, destination, bytes, site);
  if (valid) block.record(Operation::kAsyncCopyGlobal, source, valid, site);
  copies_.push_back({destination, source, bytes, valid, site});
}

void ThreadCopies::commit() {
  group_sizes_.push_back(copies_.size() - committed_);
  committed_ = copies_.size();
}

void ThreadCopies::wait(Block& block, std::uint32_t pending_groups) {
  if (group_sizes_.size() <= pending_groups) return;
  const std::size_t groups = group_sizes_.size() - pending_groups;
  std::size_t landing = 0;
  for (std::size_t i = 0; i < groups; ++i) landing += group_sizes_[i];
  const Accessor by = block.accessor(block.thread());
  for (std::size_t i = 0; i < landing; ++i) {
    const Copy& copy = copies_[i];
    std::uint8_t* bytes = block.shared().at(copy.destination);
    std::memcpy(bytes, reinterpret_cast<const void*>(copy.source), copy.valid);
    std::memset(bytes + copy.valid, 0, copy.bytes - copy.valid);
    block.shared().land(copy.destination, copy.bytes, by);
  }
  copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(landing));
  group_sizes_.erase(group_sizes_.begin(), group_sizes_.begin() + static_cast<std::ptrdiff_t>(groups));
  committed_ -= landing;
}

}  // namespace simt::host
