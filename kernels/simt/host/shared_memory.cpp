#include <simt/host/shared_memory.hpp>

#include <bit>

namespace simt::host {
namespace {
constexpr std::uint32_t kWordBytes = 4;
}

void SharedMemory::reset(std::uint32_t bytes, std::uint32_t readers, bool checked) {
  bytes_.assign(bytes, kPoison);
  readers_ = readers;
  checked_ = checked;
  if (!checked) return;
  const std::size_t words = (bytes + kWordBytes - 1) / kWordBytes;
  words_.assign(words, {});
  reads_.resize(words * readers);
}

SharedMemory::Range SharedMemory::words_of(std::uint32_t address, std::uint32_t bytes) {
  return {(address - kBase) / kWordBytes, (address - kBase + bytes - 1) / kWordBytes};
}

// ---------------------------------------------------------------- accesses by threads

bool SharedMemory::ordered_after_write(const Word& word, const Accessor& by) {
  // Within a warp the current epoch is still open: another lane's write in it is not ordered before us.
  if (word.writer == by.agent) return word.lane == by.lane || word.write_epoch < by.epoch();
  return word.write_epoch <= by.known->time[word.writer];
}

void SharedMemory::note_read(std::size_t word, std::uint32_t agent, LastRead mine) {
  std::uint64_t& set = words_[word].readers[agent / 64];
  const std::uint64_t bit = std::uint64_t{1} << agent % 64;
  LastRead& seen = reads_[word * readers_ + agent];
  if (!(set & bit) || seen.epoch() != mine.epoch())
    seen = mine;
  else if (seen.lane() != mine.lane())
    seen = LastRead::of(mine.epoch(), LastRead::kSeveralLanes);
  set |= bit;
}

SharedMemory::Verdict SharedMemory::read(std::uint32_t address, std::uint32_t bytes, const Accessor& by) {
  if (!checked_) return {};
  const auto [first, last] = words_of(address, bytes);
  const LastRead mine = LastRead::of(by.epoch(), by.lane);
  for (std::size_t i = first; i <= last; ++i) {
    const Word& word = words_[i];
    if (word.mbarrier) return {Finding::kMbarrier};
    if (word.in_flight) return {Finding::kInFlight};
    if (!word.initialised) return {Finding::kUninitialised};
    if (!ordered_after_write(word, by)) return {Finding::kRace, word.writer};
    note_read(i, by.agent, mine);
  }
  return {};
}

// Have all agents that read this word since its last write done so before `by` overwrites it?
SharedMemory::Verdict SharedMemory::check_reads(std::size_t word, const Accessor& by) const {
  for (std::uint32_t part = 0; part < kMaxReaders / 64; ++part) {
    for (std::uint64_t set = words_[word].readers[part]; set; set &= set - 1) {
      const std::uint32_t agent = 64 * part + static_cast<std::uint32_t>(std::countr_zero(set));
      const LastRead seen = reads_[word * readers_ + agent];
      const bool ordered =
          agent == by.agent ? seen.epoch() < by.epoch() || seen.lane() == by.lane : seen.epoch() <= by.known->time[agent];
      if (!ordered) return {Finding::kRace, agent};
    }
  }
  return {};
}

SharedMemory::Verdict SharedMemory::write(std::uint32_t address, std::uint32_t bytes, const Accessor& by, bool in_flight) {
  if (!checked_) return {};
  const auto [first, last] = words_of(address, bytes);
  for (std::size_t i = first; i <= last; ++i) {
    Word& word = words_[i];
    if (word.mbarrier) return {Finding::kMbarrier};
    if (word.in_flight) return {Finding::kInFlight};
    if (word.async_reads) return {Finding::kUnderRead};
    if (word.initialised && !ordered_after_write(word, by)) return {Finding::kRace, word.writer};
    if (const Verdict verdict = check_reads(i, by); verdict.finding != Finding::kNone) return verdict;
    word = {.write_epoch = by.epoch(),
            .writer = static_cast<std::uint16_t>(by.agent),
            .lane = static_cast<std::uint8_t>(by.lane),
            .initialised = true,
            .in_flight = in_flight};
  }
  return {};
}

SharedMemory::Verdict SharedMemory::update_atomically(std::uint32_t address, const Accessor& by) {
  if (!checked_) return {};
  const std::size_t i = words_of(address, kWordBytes).first;
  Word& word = words_[i];
  if (word.mbarrier) return {Finding::kMbarrier};
  if (word.in_flight) return {Finding::kInFlight};
  if (word.async_reads) return {Finding::kUnderRead};
  if (!word.initialised) return {Finding::kUninitialised};
  if (!word.atomic && !ordered_after_write(word, by)) return {Finding::kRace, word.writer};
  const Verdict verdict = check_reads(i, by);
  word = {.write_epoch = by.epoch(),
          .writer = static_cast<std::uint16_t>(by.agent),
          .lane = static_cast<std::uint8_t>(by.lane),
          .initialised = true,
          .atomic = true};
  return verdict;
}

void SharedMemory::land(std::uint32_t address, std::uint32_t bytes, const Accessor& by) {
  if (!checked_) return;
  const auto [first, last] = words_of(address, bytes);
  for (std::size_t i = first; i <= last; ++i) {
    words_[i] = {.write_epoch = by.epoch(),
                 .writer = static_cast<std::uint16_t>(by.agent),
                 .lane = static_cast<std::uint8_t>(by.lane),
                 .initialised = true};
  }
}

// ---------------------------------------------------------------- accesses by the asynchronous proxy

// Is the last write of this word ordered before an operation of the asynchronous proxy issued now?
SharedMemory::Verdict SharedMemory::judge_async_order(const Word& word, const Knowledge& issuer) {
  if (word.write_epoch > issuer.time[word.writer]) return {Finding::kRace, word.writer};
  if (!word.async_write && word.write_epoch > issuer.fenced[word.writer]) return {Finding::kUnfenced, word.writer};
  return {};
}

SharedMemory::Verdict SharedMemory::begin_async_read(std::uint32_t address, std::uint32_t bytes, const Knowledge& issuer) {
  if (!checked_) return {};
  Verdict worst;
  const auto [first, last] = words_of(address, bytes);
  for (std::size_t i = first; i <= last; ++i) {
    Word& word = words_[i];
    Verdict verdict;
    if (word.mbarrier)
      verdict = {Finding::kMbarrier};
    else if (word.in_flight)
      verdict = {Finding::kInFlight};
    else if (!word.initialised)
      verdict = {Finding::kUninitialised};
    else
      verdict = judge_async_order(word, issuer);
    if (worst.finding == Finding::kNone) worst = verdict;
    ++word.async_reads;
  }
  return worst;
}

void SharedMemory::end_async_read(std::uint32_t address, std::uint32_t bytes, std::uint32_t agent, std::uint32_t epoch) {
  if (!checked_) return;
  const auto [first, last] = words_of(address, bytes);
  for (std::size_t i = first; i <= last; ++i) {
    --words_[i].async_reads;
    note_read(i, agent, LastRead::of(epoch, kNoLane));
  }
}

SharedMemory::Verdict SharedMemory::begin_async_write(std::uint32_t address, std::uint32_t bytes, const Accessor& issuer) {
  if (!checked_) return {};
  const auto [first, last] = words_of(address, bytes);
  for (std::size_t i = first; i <= last; ++i) {
    Word& word = words_[i];
    if (word.mbarrier) return {Finding::kMbarrier};
    if (word.in_flight) return {Finding::kInFlight};
    if (word.async_reads) return {Finding::kUnderRead};
    if (word.initialised) {
      const Verdict verdict = judge_async_order(word, *issuer.known);
      if (verdict.finding != Finding::kNone) return verdict;
    }
    if (const Verdict verdict = check_reads(i, issuer); verdict.finding != Finding::kNone) return verdict;
    word = {.initialised = true, .in_flight = true, .async_write = true};
  }
  return {};
}

void SharedMemory::end_async_write(std::uint32_t address, std::uint32_t bytes, std::uint32_t agent, std::uint32_t epoch) {
  if (!checked_) return;
  const auto [first, last] = words_of(address, bytes);
  for (std::size_t i = first; i <= last; ++i) {
    words_[i] = {.write_epoch = epoch,
                 .writer = static_cast<std::uint16_t>(agent),
                 .lane = kNoLane,
                 .initialised = true,
                 .async_write = true};
  }
}

// ---------------------------------------------------------------- mbarriers

SharedMemory::Verdict SharedMemory::reserve_mbarrier(std::uint32_t address, const Accessor& by) {
  const Verdict verdict = write(address, 8, by, false);
  if (!checked_) return verdict;
  const auto [first, last] = words_of(address, 8);
  for (std::size_t i = first; i <= last; ++i) words_[i].mbarrier = true;
  return verdict;
}

void SharedMemory::release_mbarrier(std::uint32_t address) {
  if (!checked_) return;
  const auto [first, last] = words_of(address, 8);
  for (std::size_t i = first; i <= last; ++i) words_[i].mbarrier = false;
}

bool SharedMemory::mbarrier_visible(std::uint32_t address, const Accessor& by) const {
  return !checked_ || ordered_after_write(words_[words_of(address, 8).first], by);
}

}  // namespace simt::host
