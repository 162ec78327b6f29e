// Copies of the Tensor Memory Accelerator: loads that report to mbarriers, stores that their thread waits for in groups.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <simt/host/report.hpp>
#include <simt/host/tensor_map.hpp>
#include <simt/host/vector_clock.hpp>

namespace simt::host {

class Block;

// What a bulk copy moves: a box of a tensor, or (without a tensor) `bytes` bytes from `address` on. Shared memory holds the
// rows of a box one after another, swizzled.
struct BulkExtent {
  std::optional<TensorDescription> tensor = {};  // its own: the kernel's parameters may be gone when the copy lands
  BoxPosition position = {};
  std::uint64_t address = 0;
  std::uint32_t bytes = 0;

  TensorSwizzle swizzle() const { return tensor ? tensor->swizzle : TensorSwizzle::kNone; }
};

// The loads of a cluster that are under way. They land when nobody can run, which is as late as is legal, oldest first or
// newest first or (random order) at any time.
class BulkLoads {
 public:
  void clear() { loads_.clear(); }
  bool empty() const { return loads_.empty(); }

  // Issued by the running thread of `by`, into the blocks whose bits are set in `ranks` at one and the same address, each of
  // which has the mbarrier at one and the same address.
  void start(Block& by, const BulkExtent& from, std::uint32_t destination, std::uint32_t mbarrier, std::uint32_t ranks,
             const Site& site);
  void land(std::size_t index);
  std::size_t size() const { return loads_.size(); }

 private:
  struct Load {
    BulkExtent from;
    std::uint32_t destination, mbarrier;
    std::vector<Block*> targets;
    Knowledge issuer;
    Site site;
  };
  std::deque<Load> loads_;
};

// The bulk stores of one thread.
class BulkStores {
 public:
  void clear();
  void start(Block& block, const BulkExtent& to, std::uint32_t source, const Site& site);
  void commit();
  // Until at most `pending_groups` of the newest groups are under way.
  void wait(Block& block, std::uint32_t pending_groups);
  // Where the oldest store under way was issued, null without one.
  const Site* in_flight() const { return stores_.empty() ? nullptr : &stores_.front().site; }

 private:
  struct Store {
    BulkExtent to;
    std::uint32_t source;
    Site site;
  };
  std::deque<Store> stores_;             // issued and not done, oldest first
  std::deque<std::size_t> group_sizes_;  // of committed groups, oldest first
  std::size_t committed_ = 0;            // stores in committed groups
};

}  // namespace simt::host
