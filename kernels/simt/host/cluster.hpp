// Blocks that run together on one OS thread: they synchronise, reach into each other's shared memory, and share the bulk loads
// that are under way. Without clusters it holds one block.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <simt/host/block.hpp>
#include <simt/host/turns.hpp>

namespace simt::host {

class Cluster {
 public:
  // Rank r names its shared memory by addresses with r + 1 in the top byte; without, an address means the running block's own.
  static constexpr std::uint32_t kRankShift = 24;
  static constexpr std::uint32_t kMaxBlocks = 16;

  // Why blocks of this shape cannot run, or null.
  static const char* invalid_reason(const LaunchShape& shape);

  // Runs cluster `index` of the grid to its end, started as the `position`-th; findings accumulate in the blocks.
  void run(const LaunchShape& shape, std::uint64_t index, std::uint64_t position, Turns& turns, GlobalMemory& memory,
           const Options& options, const std::function<void()>& kernel);

  // ---- what its blocks ask
  std::uint32_t size() const { return size_; }
  Block& block(std::uint32_t rank) { return *blocks_[rank]; }
  FiberContext& scheduler() { return scheduler_; }
  BulkLoads& bulk_loads() { return bulk_loads_; }
  bool aborting() const { return aborting_; }
  void abort() { aborting_ = true; }
  std::uint32_t new_agent() { return agents_++; }
  // Returns when all clusters started earlier have ended.
  void take_turn();
  std::string name_of_agent(std::uint32_t agent) const;

  // A shared address of the cluster: the block it belongs to, null where there is none, and the address within.
  struct Place {
    Block* owner;
    std::uint32_t address;
  };
  Place resolve(std::uint32_t address);

  // The cluster barrier, a warp at a time; called inside a collective.
  void arrive(Block& block, Block::Warp& warp, const Site& site);
  void wait(Block& block, Block::Warp& warp, const Site& site);
  // A warp that has returned counts as arrived.
  void warp_left() { complete_barrier_if_all_arrived(); }

  std::vector<std::unique_ptr<Block>>& blocks() { return blocks_; }

 private:
  struct Barrier {
    std::uint32_t phase = 0;
    std::vector<Block::Warp*> arrivals, waiting;
    Knowledge known, completed;
  };

  void schedule();
  bool run_one();
  void complete_barrier_if_all_arrived();
  void report_stuck();
  std::uint32_t random();

  std::vector<std::unique_ptr<Block>> blocks_;  // as many as the largest cluster run so far
  std::uint32_t size_ = 0, warps_each_ = 0;
  std::uint64_t position_ = 0;
  Turns* turns_ = nullptr;
  bool has_turn_ = false;
  FiberContext scheduler_;
  BulkLoads bulk_loads_;
  Barrier barrier_;
  std::uint32_t agents_ = 0;
  std::uint32_t next_ = 0;  // the warp run last, counted over all blocks
  Order order_ = Order::kForward;
  std::uint64_t random_state_ = 1;
  bool aborting_ = false;
};

}  // namespace simt::host
