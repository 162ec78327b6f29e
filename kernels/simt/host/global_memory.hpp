// The global memory a launch may touch: exact bounds of every allocation, and what has happened to each byte of the outputs.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

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

  // `bytes` may be 0 (an absent operand); the memory stays the caller's.
  void add(const void* begin, std::size_t bytes, Access access);

  // Judges an access by block `block` and remembers it. Blocks run in no defined order, so a byte that one writes and another
  // touches is a race, unless both do so by atomics. Thread-safe.
  Verdict touch(Touch how, std::uint64_t address, std::size_t bytes, std::uint64_t block);

 private:
  // What has happened to a byte of a writable region: nothing, or the strongest of the accesses so far, with the tag of the one
  // block that made it. Tags wrap, so two blocks a multiple of kTags apart look alike: a miss in 16379, for half the memory.
  class History {
   public:
    enum class Kind : std::uint16_t { kUntouched, kLoaded, kStored, kShared };
    enum class Sharing : std::uint16_t { kLoadedBySeveral, kReadOnly, kAtomic };
    static constexpr std::uint16_t kTags = 16379;

    static History loaded(std::uint64_t block) { return {Kind::kLoaded, tag(block)}; }
    static History stored(std::uint64_t block) { return {Kind::kStored, tag(block)}; }
    static History shared(Sharing sharing) { return {Kind::kShared, static_cast<std::uint16_t>(sharing)}; }
    History() = default;

    Kind kind() const { return static_cast<Kind>(packed_ >> 14); }
    bool by(std::uint64_t block) const { return (packed_ & 0x3FFF) == tag(block); }
    Sharing sharing() const { return static_cast<Sharing>(packed_ & 0x3FFF); }
    bool operator==(const History&) const = default;

   private:
    History(Kind kind, std::uint16_t low) : packed_(static_cast<std::uint16_t>(static_cast<std::uint16_t>(kind) << 14 | low)) {}
    static std::uint16_t tag(std::uint64_t block) { return static_cast<std::uint16_t>(block % kTags); }
    std::uint16_t packed_ = 0;
  };
  struct Step {
    Verdict verdict;
    History after;
  };
  struct Region {
    std::uint64_t begin;
    std::size_t bytes;
    Access access;
    std::unique_ptr<std::atomic<History>[]> history;
  };

  const Region* find(std::uint64_t address, std::size_t bytes) const;
  static Step step(Touch how, History before, std::uint64_t block, Access access);
  static Step step_load(History before, std::uint64_t block, Access access);
  static Step step_read_only_load(History before, Access access);
  static Step step_store(History before, std::uint64_t block);
  static Step step_atomic(History before, std::uint64_t block, Access access);

  std::vector<Region> regions_;
};

}  // namespace simt::host
