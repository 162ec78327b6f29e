#include <simt/host/transactions.hpp>

#include <algorithm>
#include <bit>

namespace simt::host {
namespace {

constexpr std::uint32_t kSectorBytes = 32;
constexpr std::uint32_t kWavefrontBytes = 128;

template <class F>
void for_each_lane(std::uint32_t mask, F&& f) {
  for (; mask; mask &= mask - 1) f(std::countr_zero(mask));
}

// The number of distinct values among at most 32, appended one by one.
class DistinctSet {
 public:
  bool insert(std::uint64_t value) {
    if (size_ && values_[size_ - 1] == value) return false;  // neighbours mostly share
    for (std::uint32_t i = 0; i < size_; ++i)
      if (values_[i] == value) return false;
    values_[size_++] = value;
    return true;
  }
  std::uint32_t size() const { return size_; }

 private:
  std::uint32_t size_ = 0;
  std::uint64_t values_[64];  // 32 lanes of 16 bytes touch at most two sectors each
};

// Wavefronts of one group of lanes: the most distinct words that any bank has to serve. Accesses are aligned to their size, so
// banks can be taken in groups as wide as an access.
std::uint32_t bank_conflict_degree(const WarpRequest& request, std::uint32_t lanes) {
  const std::uint32_t slots = kWavefrontBytes / request.bytes;
  std::uint32_t degree = 0;
  std::uint8_t in_slot[32] = {};
  std::uint64_t words[32][32];
  for_each_lane(lanes, [&](int lane) {
    const std::uint64_t word = request.address[lane] / request.bytes;
    const std::uint32_t slot = static_cast<std::uint32_t>(word % slots);
    std::uint8_t& used = in_slot[slot];
    for (std::uint32_t i = 0; i < used; ++i)
      if (words[slot][i] == word) return;
    words[slot][used++] = word;
    degree = std::max<std::uint32_t>(degree, used);
  });
  return degree;
}

}  // namespace

Transactions count_sectors(const WarpRequest& request) {
  DistinctSet sectors;
  for_each_lane(request.mask, [&](int lane) {
    const std::uint64_t first = request.address[lane] / kSectorBytes;
    const std::uint64_t last = (request.address[lane] + request.bytes - 1) / kSectorBytes;
    for (std::uint64_t sector = first; sector <= last; ++sector) sectors.insert(sector);
  });
  const std::uint64_t bytes = std::uint64_t{request.bytes} * std::popcount(request.mask);
  const std::uint64_t packed = (bytes + kSectorBytes - 1) / kSectorBytes;
  return {1, bytes, sectors.size(), std::min<std::uint64_t>(sectors.size(), packed)};
}

Transactions count_wavefronts(const WarpRequest& request) {
  const std::uint32_t group = std::min(32u, kWavefrontBytes / request.bytes);
  const std::uint32_t group_mask = group == 32 ? ~0u : (1u << group) - 1;
  Transactions result{1, std::uint64_t{request.bytes} * std::popcount(request.mask), 0, 0};
  for (std::uint32_t first = 0; first < 32; first += group) {
    const std::uint32_t lanes = request.mask & group_mask << first;
    if (!lanes) continue;
    result.units += bank_conflict_degree(request, lanes);
    result.ideal += 1;
  }
  return result;
}

void TransactionCounter::add(Operation operation, const Site& site, const WarpRequest& request) {
  add(operation, site, is_global(operation) ? count_sectors(request) : count_wavefronts(request));
}

void TransactionCounter::add(Operation operation, const Site& site, const Transactions& transactions) {
  totals_[static_cast<int>(operation)] += transactions;
  entry({site, operation}) += transactions;
}

void TransactionCounter::clear() {
  totals_ = {};
  entries_.clear();
  hint_ = 0;
}

Transactions& TransactionCounter::entry(const SiteOperation& key) {
  for (std::size_t step = 0; step < entries_.size(); ++step) {
    const std::size_t i = (hint_ + step) % entries_.size();
    if (entries_[i].key != key) continue;
    hint_ = i + 1;
    return entries_[i].transactions;
  }
  entries_.push_back({key, {}});
  hint_ = entries_.size();
  return entries_.back().transactions;
}

void AccessLog::flush(TransactionCounter& counter) {
  if (!flush_in_step(counter)) flush_by_occurrence(counter);
  clear();
}

void AccessLog::clear() {
  for (auto& lane : lanes_) lane.clear();
}

// The common case: all lanes did the same accesses in the same order. False, with nothing counted, when they did not.
bool AccessLog::flush_in_step(TransactionCounter& counter) const {
  const auto& leader = lanes_[0];
  for (const auto& lane : lanes_) {
    if (lane.size() != leader.size()) return false;
    for (std::size_t i = 0; i < leader.size(); ++i)
      if (lane[i].key != leader[i].key || lane[i].bytes != leader[i].bytes) return false;
  }
  WarpRequest request{~0u, 0, {}};
  for (std::size_t i = 0; i < leader.size(); ++i) {
    request.bytes = leader[i].bytes;
    for (int lane = 0; lane < 32; ++lane) request.address[lane] = lanes_[lane][i].address;
    counter.add(leader[i].key.operation, leader[i].key.site, request);
  }
  return true;
}

void AccessLog::flush_by_occurrence(TransactionCounter& counter) const {
  struct Group {
    SiteOperation key;
    std::uint32_t occurrence;
    WarpRequest request;
  };
  std::vector<Group> groups;
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    std::size_t hint = 0;  // lanes meet the groups in the order in which the first lane made them
    std::vector<std::pair<SiteOperation, std::uint32_t>> occurrences;
    for (const Access& access : lanes_[lane]) {
      auto seen = std::find_if(occurrences.begin(), occurrences.end(), [&](auto& entry) { return entry.first == access.key; });
      if (seen == occurrences.end()) seen = occurrences.insert(seen, {access.key, 0});
      const std::uint32_t occurrence = seen->second++;
      const auto matches = [&](const Group& group) {
        return group.key == access.key && group.occurrence == occurrence && group.request.bytes == access.bytes;
      };
      auto group = std::find_if(groups.begin() + static_cast<std::ptrdiff_t>(hint), groups.end(), matches);
      if (group == groups.end()) group = std::find_if(groups.begin(), groups.end(), matches);
      if (group == groups.end()) group = groups.insert(group, {access.key, occurrence, {0, access.bytes, {}}});
      group->request.mask |= 1u << lane;
      group->request.address[lane] = access.address;
      hint = static_cast<std::size_t>(group - groups.begin()) + 1;
    }
  }
  for (const Group& group : groups) counter.add(group.key.operation, group.key.site, group.request);
}

}  // namespace simt::host
