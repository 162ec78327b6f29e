// One emulated thread block: its threads are fibers, run one warp at a time, each up to the next point where it has to wait
// for others. Every rule that the hardware leaves undefined when broken is checked here or in the shadow memories.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <simt/host/bulk_copies.hpp>
#include <simt/host/fiber.hpp>
#include <simt/host/global_memory.hpp>
#include <simt/host/mbarrier.hpp>
#include <simt/host/mma.hpp>
#include <simt/host/report.hpp>
#include <simt/host/shared_memory.hpp>
#include <simt/host/thread_copies.hpp>
#include <simt/host/transactions.hpp>
#include <simt/host/wgmma.hpp>

namespace simt::host {

class Cluster;

struct Dimensions {
  std::uint32_t x = 1, y = 1, z = 1;
  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
};

struct LaunchShape {
  Dimensions grid;
  std::uint32_t threads = 32;      // a multiple of the warp size, at most 1024
  std::uint32_t shared_bytes = 0;  // dynamic shared memory
  std::uint32_t cluster = 1;       // blocks of a cluster, neighbours along x

  std::uint32_t warps() const { return threads / 32; }
  std::uint32_t warpgroups() const { return (threads + 127) / 128; }
};

// Operations that all lanes of a warp carry out together, those of the second line together with the other warps of a
// warpgroup.
enum class Collective : std::uint8_t {
  kNone,
  kSyncwarp,
  kBarrier,
  kShuffle,
  kVote,
  kReduce,
  kLdmatrix,
  kMma,
  kProxyFence,
  kClusterBarrier,
  kWgmmaFence,
  kWgmma,
  kWgmmaCommit,
  kWgmmaWait,
  kSetRegisters
};
const char* name(Collective collective);

class Block {
 public:
  // What lanes that meet must agree on. `parameter` tells barriers and instruction shapes apart.
  struct Meeting {
    Collective collective = Collective::kNone;
    std::uint32_t parameter = 0;
    Site site;
    bool operator==(const Meeting&) const = default;
  };
  struct Warp {
    std::uint32_t live = 0;          // lanes that have not returned
    std::uint32_t runnable = 0;      // lanes that can go on
    std::uint32_t arrived = 0;       // lanes waiting at a collective
    std::uint32_t at_mbarrier = 0;   // lanes waiting for an mbarrier
    Meeting meeting;                 // the collective
    Site mbarrier_site;              // where the last lane began to wait for one
    std::array<void*, 32> argument;  // each lane's operands, for the one lane that carries the collective out
    std::uint32_t agent = 0;
    Knowledge known;
    std::uint32_t converged = 0;                            // the epoch that began when the lanes were last ordered
    std::array<std::uint32_t, 32> last_access;              // each lane's, to shared memory: an epoch
    std::array<std::uint32_t, 32> last_store;               // each lane's, to global memory: an epoch
    std::vector<LaneAcquired> lane_acquired;                // by single lanes, since the lanes were last ordered
    std::uint32_t registers = 0;                            // a thread may use
    std::uint32_t cluster_arrivals = 0, cluster_phase = 0;  // at the cluster barrier: arrived, waited for
    std::uint32_t peer_store = 0;                           // epoch of the first into another block since that barrier, or 0
    AccessLog log;

    std::uint32_t epoch() const { return known.time[agent]; }
    // What the lane has acquired on its own, or null.
    const Acquired* acquired_by(std::uint32_t lane) const {
      const auto found = std::find(lane_acquired.begin(), lane_acquired.end(), lane);
      return found == lane_acquired.end() ? nullptr : &found->acquired;
    }
  };

  // ---- the life of a block, as its cluster leads it
  void prepare(Cluster& cluster, std::uint32_t rank, const LaunchShape& shape, std::uint64_t index, GlobalMemory& memory,
               const Options& options, const std::function<void()>& kernel);
  // Runs a warp that can run until it has to wait.
  void resume_warp(std::uint32_t warp);
  // Lets every suspended fiber leave by an exception, so that destructors on its stack run.
  void unwind();
  bool finished() const { return live_warps_ == 0; }
  std::vector<Warp>& warps() { return warps_; }

  // ---- what primitives ask
  const LaunchShape& shape() const { return shape_; }
  std::uint64_t index() const { return index_; }
  std::uint32_t thread() const { return thread_; }
  Cluster& cluster() { return *cluster_; }
  std::uint32_t rank() const { return rank_; }
  Warp& warp() { return warps_[thread_ / 32]; }
  std::uint32_t index_of(const Warp& warp) const { return static_cast<std::uint32_t>(&warp - warps_.data()); }
  Counts& counts() { return counts_; }
  const Options& options() const { return options_; }

  // Meets the other lanes of the warp; the last to arrive runs `body(warp)` for all of them.
  template <class Body>
  void collective(Collective kind, std::uint32_t parameter, const Site& site, void* argument, Body&& body);
  // Meets the other 127 threads of the warpgroup; `body(index of the warpgroup)` runs once for all of them.
  template <class Body>
  void warpgroup_collective(Collective kind, std::uint32_t parameter, const Site& site, void* argument, Body&& body);
  // The running lane waits until wake() is called for it.
  void wait_at_mbarrier(const Site& site);
  void wake(std::uint32_t thread);
  // The lanes of the warp are ordered: what they do next comes after all that they did.
  static void converge(Warp& warp);
  // The part of it that lets the warp hand on what single lanes have acquired.
  static void share_acquired(Warp& warp);

  // Warp-level arrival at barrier `id`; called inside a collective. Adds the lanes' predicates for the reducing forms.
  void arrive_at_barrier(Warp& warp, std::uint32_t id, std::uint32_t threads, bool waits, std::uint32_t predicates,
                         const Site& site);
  std::uint32_t barrier_predicates(std::uint32_t id) const { return barriers_[id].result; }
  // A warpgroup asks for `registers` a thread; called inside a collective. It waits while the block has not so many.
  void set_registers(std::uint32_t warpgroup, std::uint32_t registers, bool increase, const Site& site);

  // Judge an access and record it; false when it must not be carried out.
  bool access_shared(Operation operation, std::uint32_t address, std::uint32_t bytes, std::uint32_t thread, const Site& site);
  bool access_global(Operation operation, std::uint64_t address, std::uint32_t bytes, std::uint32_t alignment,
                     const Site& site);
  bool load_global_coherent(std::uint64_t address, std::uint32_t bytes, const Site& site);
  bool update_shared(std::uint32_t address, std::uint32_t bytes, const Site& site);
  // Atomics, in the block's turn; with `synchronises` it releases and acquires.
  bool update_global(std::uint64_t address, std::uint32_t bytes, bool synchronises, const Site& site);
  // Another block of the cluster has touched this one's shared memory: that must be ordered before this block returns.
  void note_visit(const Warp& visitor, const Site& site);
  // An access by this block to shared memory of `owner`, a block of its cluster.
  bool access_peer(Block& owner, bool writes, std::uint32_t address, std::uint32_t bytes, const Site& site);
  bool within_shared(std::uint32_t address, std::uint32_t bytes, std::uint32_t alignment, const Site& site,
                     std::uint32_t thread);
  bool judge_global(GlobalMemory::Touch touch, const char* action, std::uint64_t address, std::uint32_t bytes,
                    const Site& site);
  // The same by the asynchronous proxy, which takes part in no release or acquire of the machine.
  bool judge_global_bulk(GlobalMemory::Touch touch, const char* action, std::uint64_t address, std::uint32_t bytes,
                         const Site& site);
  void judge_shared(SharedMemory::Verdict verdict, bool writes, const Site& site, std::uint32_t thread);
  void record(Operation operation, std::uint64_t address, std::uint32_t bytes, const Site& site);
  void count_request(Operation operation, const Site& site, const WarpRequest& request);
  void count(Operation operation, const Site& site, const Transactions& transactions);

  Accessor accessor(std::uint32_t thread) const {
    const Warp& warp = warps_[thread / 32];
    return {warp.agent, thread % 32, &warp.known};
  }
  SharedMemory& shared() { return shared_; }
  MmaScratch& mma_scratch() { return mma_scratch_; }
  Mbarriers& mbarriers() { return mbarriers_; }
  WgmmaUnit& wgmma_unit(std::uint32_t warpgroup) { return wgmma_units_[warpgroup]; }
  ThreadCopies& copies() { return copies_[thread_]; }
  BulkStores& bulk_stores() { return bulk_stores_[thread_]; }
  // The agent that a warpgroup's wgmma, or its bulk stores, read as.
  std::uint32_t wgmma_agent(std::uint32_t warpgroup) const { return first_agent_ + shape_.warps() + warpgroup; }
  std::uint32_t bulk_store_agent(std::uint32_t warpgroup) const { return wgmma_agent(warpgroup) + shape_.warpgroups(); }
  static std::uint32_t readers_of(const LaunchShape& shape) { return shape.warps() + 2 * shape.warpgroups(); }

  void add_hazard(HazardKind kind, std::string detail, const Site& site) { add_hazard(kind, std::move(detail), site, thread_); }
  void add_hazard(HazardKind kind, std::string detail, const Site& site, std::uint32_t thread);
  [[noreturn]] void abort(HazardKind kind, std::string detail, const Site& site);

  // ---- what the launcher collects
  std::vector<Hazard>& hazards() { return hazards_; }
  std::uint64_t hazard_total() const { return hazard_total_; }
  TransactionCounter& counter() { return counter_; }
  std::exception_ptr failure() const { return failure_; }
  void clear_findings();

 private:
  struct Aborted {};
  struct Barrier {
    std::uint32_t expected = 0, arrived = 0;      // threads
    std::uint32_t participants = 0, waiting = 0;  // warps, as bits
    std::uint32_t predicates = 0, result = 0;     // of the phase under way, of the last one
  };
  struct Visit {
    std::uint32_t agent, epoch;
    Site site;
  };
  struct Warpgroup {
    std::uint32_t arrived = 0;  // warps, as bits
    Meeting meeting;
    std::uint32_t wanted_registers = 0;  // waits for them
  };

  static void fiber_main();
  void prepare_threads();
  int pick_lane(std::uint32_t lanes);
  void resume(std::uint32_t thread, FiberContext& from);
  void park();
  void yield();
  void leave();
  void check_exit();
  void check_visits();
  bool meets_warpgroup(Warp& warp, const Meeting& meeting);
  void release_warpgroup(std::uint32_t warpgroup);
  [[noreturn]] void diverge(const Meeting& meeting);
  bool grant_registers(std::uint32_t warpgroup);
  bool judge_global(GlobalMemory::Touch touch, const char* action, std::uint64_t address, std::uint32_t bytes,
                    const GlobalMemory::Toucher& by, const Site& site);
  void synchronise_global(std::uint64_t counter);
  std::uint32_t random();

  Cluster* cluster_ = nullptr;
  std::uint32_t rank_ = 0, first_agent_ = 0;
  LaunchShape shape_;
  std::uint64_t index_ = 0;
  GlobalMemory* memory_ = nullptr;
  Options options_;
  const std::function<void()>* kernel_ = nullptr;

  FiberStacks stacks_;
  std::vector<FiberContext> fibers_;
  std::vector<bool> started_;
  std::vector<Warp> warps_;
  std::vector<Warpgroup> warpgroups_;
  std::uint32_t live_warps_ = 0;
  std::vector<Visit> visits_;  // the last of each visitor
  std::uint32_t free_registers_ = 0;
  SharedMemory shared_;
  MmaScratch mma_scratch_;
  Mbarriers mbarriers_{*this};
  std::vector<WgmmaUnit> wgmma_units_;
  std::array<Barrier, 16> barriers_;
  std::vector<ThreadCopies> copies_;
  std::vector<BulkStores> bulk_stores_;
  std::uint32_t thread_ = 0;  // the running one
  std::uint64_t random_state_ = 1;

  Counts counts_;
  TransactionCounter counter_;
  std::vector<Hazard> hazards_;
  std::uint64_t hazard_total_ = 0;
  std::exception_ptr failure_;
};

// The block whose fiber is running on this OS thread.
extern thread_local constinit Block* current_block;

template <class Body>
void Block::collective(Collective kind, std::uint32_t parameter, const Site& site, void* argument, Body&& body) {
  Warp& own = warp();
  const std::uint32_t lane = thread_ % 32, bit = 1u << lane;
  const Meeting meeting{kind, parameter, site};
  if (own.live != ~0u || (own.arrived && !(own.meeting == meeting))) diverge(meeting);
  own.meeting = meeting;
  own.argument[lane] = argument;
  own.arrived |= bit;
  own.runnable &= ~bit;
  if (own.arrived != ~0u) return park();

  if (options_.count) own.log.flush(counter_);
  own.arrived = 0;
  own.runnable = ~0u;
  body(own);
  if (!(own.runnable & bit)) park();
  // Under random order a warp sometimes steps back here, so that others overtake it at any collective, not only at barriers.
  else if (options_.order == Order::kRandom && random() % 8 == 0)
    yield();
}

template <class Body>
void Block::warpgroup_collective(Collective kind, std::uint32_t parameter, const Site& site, void* argument, Body&& body) {
  collective(kind, parameter, site, argument, [&](Warp& warp) {
    if (!meets_warpgroup(warp, {kind, parameter, site})) return;
    const std::uint32_t warpgroup = index_of(warp) / 4;
    release_warpgroup(warpgroup);
    body(warpgroup);
  });
}

}  // namespace simt::host
