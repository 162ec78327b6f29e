#include <simt/host/shared_memory.hpp>

namespace simt::host {
namespace {
constexpr std::uint32_t kWordBytes = 4;
}

void SharedMemory::reset(std::uint32_t bytes, std::uint32_t warps, bool checked) {
  bytes_.assign(bytes, kPoison);
  warps_ = warps;
  checked_ = checked;
  if (!checked) return;
  const std::size_t words = (bytes + kWordBytes - 1) / kWordBytes;
  words_.assign(words, {});
  reads_.assign(words * warps, {});
}

bool SharedMemory::ordered_after_write(const Word& word, const Accessor& by) {
  if (word.writer == by.thread) return true;
  const std::uint32_t writer_warp = word.writer / 32;
  // Within a warp the current epoch is still open: another lane's write in it is not ordered before us.
  if (writer_warp == by.warp()) return word.write_epoch < by.epoch();
  return word.write_epoch <= (*by.clock)[writer_warp];
}

SharedMemory::Verdict SharedMemory::read(std::uint32_t address, std::uint32_t bytes, const Accessor& by) {
  if (!checked_) return {};
  const std::uint32_t first = (address - kBase) / kWordBytes, last = (address - kBase + bytes - 1) / kWordBytes;
  const LastRead mine = LastRead::of(by.epoch(), by.lane());
  for (std::uint32_t i = first; i <= last; ++i) {
    const Word& word = words_[i];
    if (word.in_flight) return {Finding::kInFlight};
    if (!word.initialised) return {Finding::kUninitialised};
    if (!ordered_after_write(word, by)) return {Finding::kRace, word.writer / 32u};
    LastRead& seen = reads_[i * warps_ + by.warp()];
    if (seen.epoch() != mine.epoch())
      seen = mine;
    else if (seen.lane() != mine.lane())
      seen = LastRead::of(mine.epoch(), LastRead::kSeveralLanes);
  }
  return {};
}

// Have all warps that read this word since its last write done so before `by` overwrites it?
SharedMemory::Verdict SharedMemory::check_reads(std::size_t word, const Accessor& by) const {
  const LastRead* reads = reads_.data() + word * warps_;
  for (std::uint32_t warp = 0; warp < warps_; ++warp) {
    const LastRead seen = reads[warp];
    const bool ordered =
        warp == by.warp() ? seen.epoch() < by.epoch() || seen.lane() == by.lane() : seen.epoch() <= (*by.clock)[warp];
    if (!ordered) return {Finding::kRace, warp};
  }
  return {};
}

SharedMemory::Verdict SharedMemory::write(std::uint32_t address, std::uint32_t bytes, const Accessor& by, bool in_flight) {
  if (!checked_) return {};
  const std::uint32_t first = (address - kBase) / kWordBytes, last = (address - kBase + bytes - 1) / kWordBytes;
  for (std::uint32_t i = first; i <= last; ++i) {
    Word& word = words_[i];
    if (word.in_flight) return {Finding::kInFlight};
    if (word.initialised && !ordered_after_write(word, by)) return {Finding::kRace, word.writer / 32u};
    if (const Verdict verdict = check_reads(i, by); verdict.finding != Finding::kNone) return verdict;
    word = {by.epoch(), static_cast<std::uint16_t>(by.thread), true, in_flight, false};
  }
  return {};
}

SharedMemory::Verdict SharedMemory::update_atomically(std::uint32_t address, const Accessor& by) {
  if (!checked_) return {};
  const std::size_t i = (address - kBase) / kWordBytes;
  Word& word = words_[i];
  if (word.in_flight) return {Finding::kInFlight};
  if (!word.initialised) return {Finding::kUninitialised};
  if (!word.atomic && !ordered_after_write(word, by)) return {Finding::kRace, word.writer / 32u};
  const Verdict verdict = check_reads(i, by);
  word = {by.epoch(), static_cast<std::uint16_t>(by.thread), true, false, true};
  return verdict;
}

void SharedMemory::land(std::uint32_t address, std::uint32_t bytes, const Accessor& by) {
  if (!checked_) return;
  const std::uint32_t first = (address - kBase) / kWordBytes, last = (address - kBase + bytes - 1) / kWordBytes;
  for (std::uint32_t i = first; i <= last; ++i)
    words_[i] = {by.epoch(), static_cast<std::uint16_t>(by.thread), true, false, false};
}

}  // namespace simt::host
