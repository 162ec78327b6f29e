// What a launch on the emulated machine is asked to do, and what it tells.
#pragma once
#include <cstdint>
#include <map>
#include <source_location>
#include <string>
#include <tuple>
#include <vector>

namespace simt::host {

// The order in which blocks, ready warps and lanes within a warp run. A correct kernel cannot tell the difference.
enum class Order { kForward, kReverse, kRandom };

struct Options {
  bool check = true;  // detect hazards in shared and global memory (divergence and deadlock are always found)
  bool count = true;  // count memory transactions
  Order order = Order::kForward;
  std::uint64_t seed = 0;        // of Order::kRandom; every block derives its own, so thread count does not matter
  int threads = 0;               // OS threads to run blocks on; 0 = all cores
  std::size_t max_hazards = 16;  // hazards recorded in full; the total is always counted
};

// A place in the kernel's source. Two accesses on one line are told apart by the column.
struct Site {
  const char* file = "";
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  constexpr Site() = default;
  constexpr Site(const std::source_location& where) : file(where.file_name()), line(where.line()), column(where.column()) {}
  bool operator==(const Site&) const = default;
};

enum class HazardKind : std::uint8_t {
  kRace,
  kReadInFlight,
  kWriteInFlight,
  kWriteUnderRead,
  kMissingProxyFence,
  kUninitialisedRead,
  kReadOnlyPath,
  kSharedOutOfBounds,
  kGlobalOutOfBounds,
  kMisaligned,
  kDivergentCollective,
  kDeadlock,
  kCopyAtExit,
  kBarrierMismatch,
  kMbarrier,
  kWgmma,
  kRegisterCount,
  kPeerExited,
  kLaunch,
};
const char* name(HazardKind kind);

struct Hazard {
  HazardKind kind;
  std::string detail;
  Site site;
  std::uint64_t block;  // linear index within the grid, x first
  std::uint32_t thread;
};

enum class Operation : std::uint8_t {
  kGlobalLoad,
  kGlobalStore,
  kGlobalAtomic,
  kSharedLoad,
  kSharedStore,
  kLdmatrix,
  kAsyncCopyGlobal,
  kAsyncCopyShared,
  kBulkLoad,
  kBulkStore,
  kWgmma
};
constexpr int kOperations = 11;
const char* name(Operation operation);
// Global operations are counted in 32-byte sectors, shared ones in wavefronts of up to 128 bytes. Of bulk copies the global
// side is counted: in shared memory they move whole lines.
constexpr bool is_global(Operation operation) {
  switch (operation) {
    case Operation::kGlobalLoad:
    case Operation::kGlobalStore:
    case Operation::kGlobalAtomic:
    case Operation::kAsyncCopyGlobal:
    case Operation::kBulkLoad:
    case Operation::kBulkStore: return true;
    default: return false;
  }
}

// Totals over warp requests. `units` is what the hardware moves, `ideal` what the same bytes need at best.
struct Transactions {
  std::uint64_t requests = 0, bytes = 0, units = 0, ideal = 0;

  Transactions& operator+=(const Transactions& other) {
    requests += other.requests, bytes += other.bytes, units += other.units, ideal += other.ideal;
    return *this;
  }
};

struct SiteOperation {
  Site site;
  Operation operation;

  bool operator==(const SiteOperation&) const = default;
};

struct Counts {
  std::uint64_t mma = 0;    // warp-level matrix instructions
  std::uint64_t wgmma = 0;  // warpgroup-level ones
  std::uint64_t macs = 0;   // multiply-accumulates in both, padding included
  // Results of floating-point matrix instructions that are not shown to be the only ones PTX allows: docs/numerics.md.
  std::uint64_t unspecified = 0;
  std::uint64_t barriers = 0;
  std::uint64_t blocks = 0;
  Transactions total[kOperations];

  const Transactions& of(Operation operation) const { return total[static_cast<int>(operation)]; }
  Counts& operator+=(const Counts& other);
};

struct LineCounts {
  std::string file;
  std::uint32_t line;
  Operation operation;
  Transactions transactions;
};

struct Report {
  Counts counts;
  std::vector<LineCounts> lines;  // ordered by file, line, operation
  std::vector<Hazard> hazards;    // ordered by block, then as found
  std::uint64_t hazard_total = 0;

  bool clean() const { return hazard_total == 0; }
  bool has(HazardKind kind) const;
};

}  // namespace simt::host
