// The cp.async copies of one thread: issued, committed in groups, landing when a wait of the same thread covers their group.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <simt/host/report.hpp>

namespace simt::host {

class Block;

class ThreadCopies {
 public:
  void clear();
  // Reads `valid` of `bytes` bytes from global memory, the rest are zeros.
  void start(Block& block, std::uint32_t destination, std::uint64_t source, std::uint32_t bytes, std::uint32_t valid,
             const Site& site);
  void commit();
  // Until at most `pending_groups` of the newest groups are in flight.
  void wait(Block& block, std::uint32_t pending_groups);
  // Where the oldest copy in flight was issued, null without one.
  const Site* in_flight() const { return copies_.empty() ? nullptr : &copies_.front().site; }

 private:
  struct Copy {
    std::uint32_t destination;
    std::uint64_t source;
    std::uint32_t bytes, valid;
    Site site;
  };
  std::vector<Copy> copies_;              // issued and not landed, oldest first
  std::vector<std::size_t> group_sizes_;  // of committed groups, oldest first
  std::size_t committed_ = 0;             // copies in committed groups
};

}  // namespace simt::host
