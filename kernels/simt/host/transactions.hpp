// Counting memory transactions: lane accesses are grouped into warp requests, requests into sectors or wavefronts.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include <simt/host/report.hpp>

namespace simt::host {

// The lane addresses of one warp instruction; bit i of `mask` says that lane i takes part. Every lane moves `bytes`.
struct WarpRequest {
  std::uint32_t mask = 0;
  std::uint32_t bytes = 0;
  std::array<std::uint64_t, 32> address;
};

// 32-byte sectors touched; ideal is what the bytes fill when packed (or what is touched, when lanes share addresses).
Transactions count_sectors(const WarpRequest& request);

// Wavefronts of shared memory: 32 banks of 4 bytes serve 128 bytes at a time, so 8-byte accesses go a half-warp at a time and
// 16-byte ones a quarter; lanes of a group that need different words of one bank take one more wavefront each.
Transactions count_wavefronts(const WarpRequest& request);

class TransactionCounter {
 public:
  void add(Operation operation, const Site& site, const WarpRequest& request);
  void add(Operation operation, const Site& site, const Transactions& transactions);
  void clear();

  const std::array<Transactions, kOperations>& totals() const { return totals_; }
  struct Entry {
    SiteOperation key;
    Transactions transactions;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  Transactions& entry(const SiteOperation& key);
  std::array<Transactions, kOperations> totals_{};
  std::vector<Entry> entries_;
  std::size_t hint_ = 0;  // kernels pass their sites in a cycle: the next one is usually the next entry
};

// What the lanes of one warp accessed since they were last together. Lanes run one after another, so the n-th access of a lane
// at a source position belongs to the same warp instruction as every other lane's n-th there.
class AccessLog {
 public:
  void record(std::uint32_t lane, Operation operation, const Site& site, std::uint64_t address, std::uint32_t bytes) {
    lanes_[lane].push_back({{site, operation}, address, bytes});
  }
  void flush(TransactionCounter& counter);
  void clear();

 private:
  struct Access {
    SiteOperation key;
    std::uint64_t address;
    std::uint32_t bytes;
  };
  bool flush_in_step(TransactionCounter& counter) const;
  void flush_by_occurrence(TransactionCounter& counter) const;
  std::array<std::vector<Access>, 32> lanes_;
};

}  // namespace simt::host
