// One emulated thread block: its threads are fibers, run one warp at a time, each up to the next point where it has to wait
// for others. Every rule that the hardware leaves undefined when broken is checked here or in the shadow memories.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <simt/host/fiber.hpp>
#include <simt/host/global_memory.hpp>
#include <simt/host/mma.hpp>
#include <simt/host/report.hpp>
#include <simt/host/shared_memory.hpp>
#include <simt/host/transactions.hpp>

namespace simt::host {

struct Dimensions {
  std::uint32_t x = 1, y = 1, z = 1;
  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
};

struct LaunchShape {
  Dimensions grid;
  std::uint32_t threads = 32;      // a multiple of the warp size, at most 1024
  std::uint32_t shared_bytes = 0;  // dynamic shared memory
};

// Operations that all lanes of a warp carry out together.
enum class Collective : std::uint8_t { kNone, kSyncwarp, kBarrier, kShuffle, kVote, kReduce, kLdmatrix, kMma };
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
    Meeting meeting;                 // where they wait
    std::array<void*, 32> argument;  // each lane's operands, for the one lane that carries the collective out
    VectorClock clock{};
    AccessLog log;
  };

  // Runs block `index` of the grid to its end; findings accumulate in report(), counter() over all blocks run.
  void run(const LaunchShape& shape, std::uint64_t index, GlobalMemory& memory, const Options& options,
           const std::function<void()>& kernel);

  // ---- what primitives ask
  const LaunchShape& shape() const { return shape_; }
  std::uint64_t index() const { return index_; }
  std::uint32_t thread() const { return thread_; }
  Warp& warp() { return warps_[thread_ / 32]; }
  std::uint32_t index_of(const Warp& warp) const { return static_cast<std::uint32_t>(&warp - warps_.data()); }
  Counts& counts() { return counts_; }

  // Meets the other lanes of the warp; the last to arrive runs `body(warp)` for all of them.
  template <class Body>
  void collective(Collective kind, std::uint32_t parameter, const Site& site, void* argument, Body&& body);

  // Warp-level arrival at barrier `id`; called inside a collective. Adds the lanes' predicates for the reducing forms.
  void arrive_at_barrier(Warp& warp, std::uint32_t id, std::uint32_t threads, bool waits, std::uint32_t predicates,
                         const Site& site);
  std::uint32_t barrier_predicates(std::uint32_t id) const { return barriers_[id].result; }

  // Judge an access and record it; false when it must not be carried out.
  bool access_shared(Operation operation, std::uint32_t address, std::uint32_t bytes, std::uint32_t thread, const Site& site);
  bool access_global(Operation operation, std::uint64_t address, std::uint32_t bytes, std::uint32_t alignment,
                     const Site& site);
  bool load_global_l2(std::uint64_t address, std::uint32_t bytes, const Site& site);
  bool update_shared(std::uint32_t address, std::uint32_t bytes, const Site& site);
  bool update_global(std::uint64_t address, std::uint32_t bytes, const Site& site);
  void record(Operation operation, std::uint64_t address, std::uint32_t bytes, const Site& site);
  void count_request(Operation operation, const Site& site, const WarpRequest& request);
  SharedMemory& shared() { return shared_; }
  MmaScratch& mma_scratch() { return mma_scratch_; }

  // ---- asynchronous copies of the running thread; the bytes land when a wait of the same thread covers their group
  void start_copy(std::uint32_t destination, std::uint64_t source, std::uint32_t bytes, std::uint32_t valid, const Site& site);
  void commit_copies();
  void wait_for_copies(std::uint32_t pending_groups);

  void add_hazard(HazardKind kind, std::string detail, const Site& site) { add_hazard(kind, std::move(detail), site, thread_); }
  void add_hazard(HazardKind kind, std::string detail, const Site& site, std::uint32_t thread);
  [[noreturn]] void abort(HazardKind kind, std::string detail, const Site& site);

  // ---- what the launcher collects
  bool aborted() const { return aborting_; }
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
  struct Copy {
    std::uint32_t destination;
    std::uint64_t source;
    std::uint32_t bytes, valid;
    Site site;
  };
  struct CopyQueue {
    std::vector<Copy> copies;              // issued and not landed, oldest first
    std::vector<std::size_t> group_sizes;  // of committed groups, oldest first
    std::size_t committed = 0;             // copies in committed groups
    void clear();
  };

  static void fiber_main();
  void prepare();
  void schedule();
  int pick_warp();
  int pick_lane(std::uint32_t lanes);
  void resume(std::uint32_t thread, FiberContext& from);
  void park();
  void yield();
  void leave();
  void check_exit();
  [[noreturn]] void diverge(const Meeting& meeting);
  void report_stuck();
  bool within_shared(std::uint32_t address, std::uint32_t bytes, const Site& site, std::uint32_t thread);
  bool judge_global(GlobalMemory::Touch touch, const char* action, std::uint64_t address, std::uint32_t bytes,
                    const Site& site);
  void judge_shared(SharedMemory::Verdict verdict, bool writes, const Site& site, std::uint32_t thread);
  void unwind();
  std::uint32_t random();

  LaunchShape shape_;
  std::uint64_t index_ = 0;
  GlobalMemory* memory_ = nullptr;
  Options options_;
  const std::function<void()>* kernel_ = nullptr;

  FiberStacks stacks_;
  FiberContext scheduler_;
  std::vector<FiberContext> fibers_;
  std::vector<bool> started_;
  std::vector<Warp> warps_;
  SharedMemory shared_;
  MmaScratch mma_scratch_;
  std::array<Barrier, 16> barriers_;
  std::vector<CopyQueue> copies_;
  std::uint32_t thread_ = 0;  // the running one
  std::uint32_t next_warp_ = 0;
  std::uint64_t random_state_ = 1;
  bool aborting_ = false;

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

}  // namespace simt::host
