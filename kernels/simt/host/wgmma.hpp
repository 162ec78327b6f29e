// The matrix unit of a warpgroup: wgmma.mma_async of 8-bit integers, asynchronous, with operands in shared memory or registers.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <vector>

#include <simt/host/mma.hpp>
#include <simt/host/report.hpp>
#include <simt/host/vector_clock.hpp>

namespace simt::host {

class Block;

// One instruction: D[64][n] (+)= A[64][32] B[n][32]^T.
struct WgmmaShape {
  int n;
  IntegerType a_type, b_type;
  bool a_in_registers;
};

// What one thread states of it. All but the registers must be the same in all threads of the warpgroup.
struct WgmmaThread {
  std::int32_t* d;         // n / 2 accumulators
  const std::uint32_t* a;  // 4 registers, or null
  std::uint64_t a_descriptor, b_descriptor;
  bool accumulate;
};

// Instructions are executed when they are waited for, as late as is legal. Until then their operands in shared memory must not
// change, and their accumulators hold poison.
class WgmmaUnit {
 public:
  static constexpr int kRows = 64, kDepth = 32, kThreads = 128;

  void clear();
  // wgmma.fence: registers written so far are the instructions' to use.
  void fence() { fenced_ = true; }
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
    std::array<std::int32_t*, kThreads> registers;
    int n;
    int pending = 0;
    std::vector<std::int32_t> values;
  };
  struct Job {
    WgmmaShape shape;
    std::uint64_t a_descriptor, b_descriptor;
    std::array<std::array<std::uint32_t, 4>, kThreads> a;  // where it is in registers
    bool accumulate;
    Accumulators* accumulators;
    Site site;
  };

  Accumulators& accumulators_of(Block& block, const WgmmaShape& shape, const std::array<const WgmmaThread*, kThreads>& threads,
                                const Site& site);
  void execute(Block& block, const Job& job, std::uint32_t agent, std::uint32_t epoch);
  void retire(Block& block, std::uint32_t warpgroup, const Site& site);
  void give_back(Block& block, Accumulators& accumulators, std::uint32_t warpgroup, const Site& site);

  bool fenced_ = false;
  std::deque<Job> jobs_;                 // issued and not executed, oldest first
  std::deque<std::size_t> group_sizes_;  // of committed groups, oldest first
  std::size_t committed_ = 0;            // jobs in committed groups
  std::list<Accumulators> accumulators_;
};

}  // namespace simt::host
