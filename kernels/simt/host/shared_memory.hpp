// Shared memory of one block: its bytes, and a shadow that knows for every 4-byte word who wrote it, who read it since, and
// whether an asynchronous copy into it is still in flight.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace simt::host {

constexpr int kMaxWarps = 32;

// Logical time, an epoch count a warp. clock[w] = the last epoch of warp w whose accesses are ordered before the owner's.
// The unit of time is the warp: lanes of one warp are ordered by syncwarp, which starts a new epoch.
using VectorClock = std::array<std::uint32_t, kMaxWarps>;

inline void join(VectorClock& into, const VectorClock& other) {
  for (int i = 0; i < kMaxWarps; ++i) into[i] = into[i] > other[i] ? into[i] : other[i];
}

// Who touches shared memory, and what they know about the others.
struct Accessor {
  std::uint32_t thread;
  const VectorClock* clock;

  std::uint32_t warp() const { return thread / 32; }
  std::uint32_t lane() const { return thread % 32; }
  std::uint32_t epoch() const { return (*clock)[warp()]; }
};

class SharedMemory {
 public:
  // Shared addresses start above 0, so that a forgotten base is out of bounds; 1 KB is the largest alignment PTX asks for.
  static constexpr std::uint32_t kBase = 1024;
  static constexpr std::uint8_t kPoison = 0xCD;

  enum class Finding : std::uint8_t { kNone, kInFlight, kUninitialised, kRace };
  struct Verdict {
    Finding finding = Finding::kNone;
    std::uint32_t other_warp = 0;  // the other side of a race
  };

  // Forgets everything; bytes are poisoned. The shadow is kept only when `checked`.
  void reset(std::uint32_t bytes, std::uint32_t warps, bool checked);

  std::uint32_t bytes() const { return static_cast<std::uint32_t>(bytes_.size()); }
  bool contains(std::uint32_t address, std::uint32_t bytes) const {
    return address >= kBase && address - kBase <= bytes_.size() && bytes <= bytes_.size() - (address - kBase);
  }
  std::uint8_t* at(std::uint32_t address) { return bytes_.data() + (address - kBase); }

  // Judge an access of whole words and record it. Only for addresses `contains` accepts.
  Verdict read(std::uint32_t address, std::uint32_t bytes, const Accessor& by);
  Verdict write(std::uint32_t address, std::uint32_t bytes, const Accessor& by, bool in_flight);
  // An atomic update of one word. Atomics do not race with each other; of several, a later reader is checked against the last.
  Verdict update_atomically(std::uint32_t address, const Accessor& by);
  // The copy into these bytes has completed, as seen by `by`.
  void land(std::uint32_t address, std::uint32_t bytes, const Accessor& by);

 private:
  struct Word {
    std::uint32_t write_epoch = 0;
    std::uint16_t writer = 0;  // thread
    bool initialised = false;
    bool in_flight = false;
    bool atomic = false;  // the last write was an atomic update
  };
  // The last read of a word by one warp: the epoch, and the lane where a single one read. Packed to compare in one go.
  struct LastRead {
    static constexpr std::uint32_t kSeveralLanes = 32;
    std::uint32_t packed = 0;
    std::uint32_t epoch() const { return packed >> 6; }
    std::uint32_t lane() const { return packed & 63; }
    static LastRead of(std::uint32_t epoch, std::uint32_t lane) { return {epoch << 6 | lane}; }
  };

  static bool ordered_after_write(const Word& word, const Accessor& by);
  Verdict check_reads(std::size_t word, const Accessor& by) const;

  std::vector<std::uint8_t> bytes_;
  std::vector<Word> words_;
  std::vector<LastRead> reads_;  // [word][warp]
  std::uint32_t warps_ = 0;
  bool checked_ = false;
};

}  // namespace simt::host
