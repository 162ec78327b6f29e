// Shared memory of one block: its bytes, and a shadow that knows for every 4-byte word who wrote it, who read it since, and
// which asynchronous operations are under way on it.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include <simt/host/vector_clock.hpp>

namespace simt::host {

// Who touches shared memory, and what they know about the others. The unit of time is the warp: its lanes are ordered by
// syncwarp, which starts a new epoch.
struct Accessor {
  std::uint32_t agent;
  std::uint32_t lane;
  const Knowledge* known;

  std::uint32_t epoch() const { return known->time[agent]; }
};

class SharedMemory {
 public:
  // Shared addresses start above 0, so that a forgotten base is out of bounds; 1 KB is the largest alignment PTX asks for.
  static constexpr std::uint32_t kBase = 1024;
  static constexpr std::uint8_t kPoison = 0xCD;
  // Agents that can read: their numbers come first, in all blocks of a cluster.
  static constexpr std::uint32_t kMaxReaders = 128;

  enum class Finding : std::uint8_t { kNone, kInFlight, kUninitialised, kRace, kUnfenced, kUnderRead, kMbarrier };
  struct Verdict {
    Finding finding = Finding::kNone;
    std::uint32_t other = 0;  // the agent on the other side of a race
  };

  // Forgets everything; bytes are poisoned. The shadow, for `readers` agents that can read, is kept only when `checked`.
  void reset(std::uint32_t bytes, std::uint32_t readers, bool checked);

  std::uint32_t bytes() const { return static_cast<std::uint32_t>(bytes_.size()); }
  bool contains(std::uint32_t address, std::uint32_t bytes) const {
    return address >= kBase && address - kBase <= bytes_.size() && bytes <= bytes_.size() - (address - kBase);
  }
  std::uint8_t* at(std::uint32_t address) { return bytes_.data() + (address - kBase); }

  // Accesses by threads: judge an access of whole words and record it. Only for addresses `contains` accepts, as all below.
  Verdict read(std::uint32_t address, std::uint32_t bytes, const Accessor& by);
  Verdict write(std::uint32_t address, std::uint32_t bytes, const Accessor& by, bool in_flight);
  // An atomic update of one word. Atomics do not race with each other; of several, a later reader is checked against the last.
  Verdict update_atomically(std::uint32_t address, const Accessor& by);
  // The copy into these bytes has completed, as seen by `by`.
  void land(std::uint32_t address, std::uint32_t bytes, const Accessor& by);

  // Accesses by the asynchronous proxy, issued by somebody who knows `issuer`: judged when issued; until they end, nobody may
  // write what is read, nor touch what is written.
  Verdict begin_async_read(std::uint32_t address, std::uint32_t bytes, const Knowledge& issuer);
  void end_async_read(std::uint32_t address, std::uint32_t bytes, std::uint32_t agent, std::uint32_t epoch);
  Verdict begin_async_write(std::uint32_t address, std::uint32_t bytes, const Accessor& issuer);
  void end_async_write(std::uint32_t address, std::uint32_t bytes, std::uint32_t agent, std::uint32_t epoch);

  // The word pair of an mbarrier: reserved after a write of it by `by`, until released. Ordinary accesses to it are findings.
  Verdict reserve_mbarrier(std::uint32_t address, const Accessor& by);
  void release_mbarrier(std::uint32_t address);
  // Whether the initialisation is ordered before `by` uses the object.
  bool mbarrier_visible(std::uint32_t address, const Accessor& by) const;

 private:
  static constexpr std::uint32_t kNoLane = 32;
  struct Word {
    std::uint32_t write_epoch = 0;
    std::uint16_t writer = 0;       // agent
    std::uint16_t async_reads = 0;  // under way
    std::uint8_t lane = 0;          // of a warp that wrote
    bool initialised = false;
    bool in_flight = false;
    bool atomic = false;       // the last write was an atomic update
    bool async_write = false;  // the last write was the asynchronous proxy's
    bool mbarrier = false;
    std::array<std::uint64_t, kMaxReaders / 64> readers{};  // agents that read since the last write, as bits
  };
  // The last read of a word by one agent: the epoch, and the lane where a single one read. Packed to compare in one go.
  struct LastRead {
    static constexpr std::uint32_t kSeveralLanes = 32;
    std::uint32_t packed = 0;
    std::uint32_t epoch() const { return packed >> 6; }
    std::uint32_t lane() const { return packed & 63; }
    static LastRead of(std::uint32_t epoch, std::uint32_t lane) { return {epoch << 6 | lane}; }
  };
  struct Range {
    std::size_t first, last;
  };

  static Range words_of(std::uint32_t address, std::uint32_t bytes);
  static bool ordered_after_write(const Word& word, const Accessor& by);
  static Verdict judge_async_order(const Word& word, const Knowledge& issuer);
  Verdict check_reads(std::size_t word, const Accessor& by) const;
  void note_read(std::size_t word, std::uint32_t agent, LastRead mine);

  std::vector<std::uint8_t> bytes_;
  std::vector<Word> words_;
  std::vector<LastRead> reads_;  // [word][agent]; of those whose bit is set in the word
  std::uint32_t readers_ = 0;
  bool checked_ = false;
};

}  // namespace simt::host
