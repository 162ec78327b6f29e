#include <simt/host/global_order.hpp>

#include <algorithm>

namespace simt::host {

Acquired GlobalOrder::synchronise(std::uint64_t address, const Release& release) {
  const auto [found, is_new] = number_of_.try_emplace(address, static_cast<std::uint32_t>(counters_.size()));
  if (is_new) counters_.emplace_back();
  Counter& counter = counters_[found->second];
  counter.by_block[release.block].push_back({++counter.releases, release.warps});
  counter.acquired.join(release.acquired);
  counter.acquired.raise(found->second, counter.releases);
  return counter.acquired;
}

bool GlobalOrder::before(const BlockTime& time, const Acquired& known) const {
  const auto covered = [&](const Acquired::Entry& entry) {
    const Counter& counter = counters_[entry.counter];
    const auto found = counter.by_block.find(time.block);
    return found != counter.by_block.end() &&
           std::any_of(found->second.begin(), found->second.end(), [&](const Published& published) {
             return published.number <= entry.releases && published.warps[time.warp] >= time.epoch;
           });
  };
  return std::any_of(known.entries().begin(), known.entries().end(), covered);
}

}  // namespace simt::host
