// The global memory a launch may touch: exact bounds of every allocation, and who wrote which byte of the outputs.
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
  enum class Verdict : std::uint8_t { kOk, kOutOfBounds, kUninitialised, kRace };

  // `bytes` may be 0 (an absent operand); the memory stays the caller's.
  void add(const void* begin, std::size_t bytes, Access access);

  // Judges an access by block `block`. Blocks run in no defined order, so a byte written by one and touched by another without
  // an atomic is a race. Thread-safe.
  Verdict read(std::uint64_t address, std::size_t bytes, std::uint64_t block) const;
  Verdict write(std::uint64_t address, std::size_t bytes, std::uint64_t block);
  Verdict update_atomically(std::uint64_t address, std::size_t bytes) const;

 private:
  // Per byte of a writable region: 0 = untouched, else the writing block's tag. Tags wrap at 16 bits, so two blocks a multiple
  // of 65535 apart look alike: a miss in 65535, for half the memory.
  using Owner = std::atomic<std::uint16_t>;
  struct Region {
    std::uint64_t begin;
    std::size_t bytes;
    Access access;
    std::unique_ptr<Owner[]> owners;
  };
  static std::uint16_t tag(std::uint64_t block) { return static_cast<std::uint16_t>(block % 65535 + 1); }
  const Region* find(std::uint64_t address, std::size_t bytes) const;

  std::vector<Region> regions_;
};

}  // namespace simt::host
