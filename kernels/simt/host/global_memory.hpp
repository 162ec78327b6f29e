// The global memory a launch may touch: exact bounds of every allocation, and what has happened to each byte of the outputs.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include <simt/host/global_order.hpp>
#include <simt/host/zeroed_memory.hpp>

namespace simt::host {

enum class Access : std::uint8_t {
  kRead,       // inputs: any write is out of bounds
  kWrite,      // outputs, uninitialised at launch: reading a byte nobody wrote is a hazard
  kReadWrite,  // outputs that hold data at launch
};

class GlobalMemory {
 public:
  enum class Verdict : std::uint8_t { kOk, kOutOfBounds, kUninitialised, kReadOnlyPath, kRace };

  // How an instruction touches a byte. Only the read-only path (ld.global.nc) may be served from a cache that never learns of
  // stores: PTX leaves a read by it undefined where the same launch writes the byte, before or after, from any thread.
  enum class Touch : std::uint8_t { kReadOnlyLoad, kLoad, kStore, kAtomic };

  // Who touches, when, and what has been acquired by then: by the warp, and by the one lane since its warp last converged.
  struct Toucher {
    BlockTime time;
    const Acquired* by_warp = nullptr;
    const Acquired* by_lane = nullptr;
  };
  // The epoch of accesses that no release covers.
  static constexpr std::uint32_t kNeverReleased = (1u << 24) - 1;

  // `bytes` may be 0 (an absent operand); the memory stays the caller's.
  void add(const void* begin, std::size_t bytes, Access access);

  // Most accesses load inputs: nothing is to be judged of those.
  bool is_input(std::uint64_t address, std::size_t bytes) const {
    const Region* region = find(address, bytes);
    return region && region->access == Access::kRead;
  }

  // Judges an access and remembers it. Blocks run in no defined order, so a byte that one writes and another touches is a race,
  // unless both do so by atomics, or a release and an acquire order the touch after a store. Thread-safe.
  Verdict touch(Touch how, std::uint64_t address, std::size_t bytes, const Toucher& by);

  // An atomic that releases and acquires, at a counter that touch() has judged: see GlobalOrder.
  Acquired synchronise(std::uint64_t counter, GlobalOrder::Release release);

 private:
  // What has happened to a byte of a writable region: nothing, or the strongest of the accesses so far, with the tag of the one
  // block that made it; of a store also the time, and which other block has loaded it since. Eight bytes for each byte touched.
  // Tags wrap, so two blocks a multiple of kTags apart look alike: a miss in 65521.
  class History {
   public:
    enum class Kind : std::uint8_t { kUntouched, kLoaded, kLoadedBySeveral, kReadOnly, kAtomic, kStored };
    static constexpr std::uint16_t kTags = 65521, kNobody = 65534, kSeveral = 65535;

    static std::uint16_t tag(std::uint64_t block) { return static_cast<std::uint16_t>(block % kTags); }
    static History of(Kind kind) { return {kind, {}, kNobody}; }
    static History loaded(const BlockTime& by) { return {Kind::kLoaded, by, kNobody}; }
    static History stored(const BlockTime& by) { return {Kind::kStored, by, kNobody}; }
    History() = default;

    Kind kind() const { return static_cast<Kind>(packed_ & 7); }
    bool by(const BlockTime& other) const { return time().block == tag(other.block); }
    // Of the store; its block as a tag.
    BlockTime time() const {
      return {packed_ >> 32 & 0xFFFF, static_cast<std::uint32_t>(packed_ >> 3 & 31),
              static_cast<std::uint32_t>(packed_ >> 8 & kNeverReleased)};
    }
    // A stored byte, loaded by another block than the one that stored it.
    History loaded_since(const BlockTime& by) const;
    bool loaded_since_by_others(const BlockTime& by) const { return reader() != kNobody && reader() != tag(by.block); }
    bool operator==(const History&) const = default;

   private:
    History(Kind kind, const BlockTime& by, std::uint16_t reader);
    std::uint16_t reader() const { return static_cast<std::uint16_t>(packed_ >> 48); }
    std::uint64_t packed_ = 0;  // kind 3, warp 5, epoch 24, block 16, reader 16 bits
  };
  struct Step {
    Verdict verdict;
    History after;
  };
  struct Region {
    std::uint64_t begin;
    std::size_t bytes;
    Access access;
    ZeroedMemory<History> history;  // of writable regions
  };

  const Region* find(std::uint64_t address, std::size_t bytes) const {
    for (const Region& region : regions_) {
      const std::uint64_t offset = address - region.begin;  // wraps to a huge value below the region
      if (offset < region.bytes && bytes <= region.bytes - offset) return &region;
    }
    return nullptr;
  }
  Verdict touch_stripe(Touch how, const Region& region, std::size_t first, std::size_t last, const Toucher& by);
  Step step(Touch how, History before, const Toucher& by, Access access) const;
  Step step_load(History before, const Toucher& by, Access access) const;
  static Step step_read_only_load(History before, Access access);
  Step step_store(History before, const Toucher& by) const;
  static Step step_atomic(History before, const Toucher& by, Access access);
  bool ordered(History store, const Toucher& by) const;

  static constexpr std::size_t kStripeBytes = 64;
  std::vector<Region> regions_;
  std::array<std::atomic_flag, 1024> locks_;  // of stripes of history
  GlobalOrder order_;
};

}  // namespace simt::host
