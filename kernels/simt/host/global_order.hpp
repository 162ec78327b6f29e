// Order between blocks: releases and acquires through counters in global memory.
//
// PTX ISA, "Memory Consistency Model": a release operation on a location synchronizes with an acquire operation that observes
// it there ("Memory synchronization"), directly or through atomic updates in between ("Observation Order"). Barriers of a block
// synchronize too, and causality is transitive across scopes ("Causality Order"): all threads store, barrier, one thread adds
// with acq_rel; another block's thread adds with acq_rel, barrier, all threads load. No fence is needed, and weak loads and
// stores will do, but for ld.global.nc, which the model leaves out.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

#include <simt/host/vector_clock.hpp>

namespace simt::host {

// When a warp of a block did something. Time is that of the warp's agent within its cluster.
struct BlockTime {
  std::uint64_t block;
  std::uint32_t warp, epoch;
};

// The releases of one launch. Blocks take turns at atomics (turns.hpp), so that one OS thread at a time is in here.
class GlobalOrder {
 public:
  // What a releasing thread hands on: how far the warps of its block were, as ordered before it, and what it had acquired.
  struct Release {
    std::uint64_t block;
    VectorClock warps;
    Acquired acquired;
  };

  // An atomic update of the counter at `address` that releases and acquires. Returns what is acquired: all releases through
  // this counter so far, and what those had acquired. Nothing but atomics may touch it, so that each one observes them all.
  Acquired synchronise(std::uint64_t address, const Release& release);

  // Is this ordered before somebody who has acquired `known`?
  bool before(const BlockTime& time, const Acquired& known) const;

 private:
  struct Published {
    std::uint32_t number;  // of the counter's releases, from 1
    VectorClock warps;
  };
  struct Counter {
    std::uint32_t releases = 0;
    std::unordered_map<std::uint64_t, std::vector<Published>> by_block;
    Acquired acquired;  // with any of its releases
  };

  std::unordered_map<std::uint64_t, std::uint32_t> number_of_;  // by address
  std::vector<Counter> counters_;
};

}  // namespace simt::host
