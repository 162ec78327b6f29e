// The matrix unit of a warpgroup: wgmma.mma_async, asynchronous, with operands in shared memory or registers.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <vector>

#include <simt/host/report.hpp>
#include <simt/host/vector_clock.hpp>
#include <simt/host/wgmma_product.hpp>

namespace simt::host {

class Block;

// What one thread states of it. All but the registers must be the same in all threads of the warpgroup.
struct WgmmaThread {
  void* d;                 // n / 2 accumulators, int32 or fp32
  const std::uint32_t* a;  // 4 registers, or null
  std::uint64_t a_descriptor, b_descriptor;
  bool accumulate;
};

// Instructions are executed when they are waited for, as late as is legal. Until then their operands in shared memory must not
// change, and their accumulators hold poison.
class WgmmaUnit {
 public:
  static constexpr int kThreads = WgmmaShape::kThreads;

  void clear();
  // wgmma.fence: registers written so far are the instructions' to use.
  void fence();
  void issue(Block& block, std::uint32_t warpgroup, const WgmmaShape& shape,
             const std::array<const WgmmaThread*, kThreads>& threads, const Site& site);
  void commit();
  // Until at most `pending_groups` of the newest groups are under way.
  void wait(Block& block, std::uint32_t warpgroup, std::uint32_t pending_groups, const Site& site);
  // Where the oldest instruction under way was issued, null without one.
  const Site* in_flight() const { return jobs_.empty() ? nullptr : &jobs_.front().site; }

 private:
  // The accumulators of instructions that follow each other on the same registers, as a matrix [64][n].
  struct Accumulators {
    std::array<void*, kThreads> registers;
    int n;
    int pending = 0;
    std::vector<std::uint32_t> values;  // words
  };
  // The registers of A of an instruction: where each thread has them, and what they held at the last fence.
  using Registers = std::array<const std::uint32_t*, kThreads>;
  struct RegisterOperand {
    Registers registers;
    WgmmaOperands::Fragments at_fence;
  };
  struct Job {
    WgmmaShape shape;
    WgmmaOperands operands;
    Registers a_registers;
    bool accumulate;
    Accumulators* accumulators;
    Site site;
  };

  Accumulators& accumulators_of(Block& block, const WgmmaShape& shape, const std::array<const WgmmaThread*, kThreads>& threads,
                                const Site& site);
  WgmmaOperands::Fragments take_registers(Block& block, const Registers& registers, const Site& site,
                                          std::uint32_t first_thread);
  void execute(Block& block, const Job& job, std::uint32_t agent, std::uint32_t epoch);
  void retire(Block& block, std::uint32_t warpgroup, const Site& site);
  void give_back(Block& block, Accumulators& accumulators, std::uint32_t warpgroup, const Site& site);

  bool fenced_ = false;
  std::deque<Job> jobs_;                 // issued and not executed, oldest first
  std::deque<std::size_t> group_sizes_;  // of committed groups, oldest first
  std::size_t committed_ = 0;            // jobs in committed groups
  std::list<Accumulators> accumulators_;
  std::list<RegisterOperand> register_operands_;  // that instructions have taken so far
};

}  // namespace simt::host
