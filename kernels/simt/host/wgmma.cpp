#include <simt/host/wgmma.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <simt/fragments.hpp>
#include <simt/host/block.hpp>

namespace simt::host {
namespace {

constexpr int kRows = WgmmaShape::kRows, kThreads = WgmmaShape::kThreads;
constexpr int kLineBytes = WgmmaShape::kLineBytes, kChunkBytes = WgmmaShape::kChunkBytes;
constexpr std::uint32_t kPoisonedAccumulator = 0xCDCDCDCD;

// Puts `value` into register `i` of a thread's accumulators, whatever their type; what was there.
std::uint32_t exchange_word(void* registers, int i, std::uint32_t value) {
  auto* at = static_cast<std::byte*>(registers) + static_cast<std::size_t>(i) * sizeof value;
  std::uint32_t old;
  std::memcpy(&old, at, sizeof old);
  std::memcpy(at, &value, sizeof value);
  return old;
}

// A core matrix is 128 bytes, one wavefront unless two of its rows lie in the same banks.
Transactions wavefronts_of(std::uint64_t descriptor, int rows) {
  Transactions sum{.requests = 1, .bytes = static_cast<std::uint64_t>(rows * kLineBytes)};
  const MatrixOperand operand = decode_descriptor(descriptor);
  for (int group = 0; group < rows; group += 8) {
    for (int chunk = 0; chunk < kLineBytes / kChunkBytes; ++chunk) {
      std::uint8_t in_slot[8] = {};
      for (int row = 0; row < 8; ++row) ++in_slot[operand.chunk_address(group + row, chunk) / kChunkBytes % 8];
      sum.units += *std::max_element(in_slot, in_slot + 8);
      ++sum.ideal;
    }
  }
  return sum;
}

// What all four warps know: each of them issues the instruction.
Knowledge common_knowledge(Block& block, std::uint32_t warpgroup) {
  Knowledge known = block.warps()[4 * warpgroup].known;
  for (std::uint32_t i = 1; i < 4; ++i) known.meet(block.warps()[4 * warpgroup + i].known);
  return known;
}

// Judges an operand in shared memory and keeps it from being written; false where it does not lie there.
bool begin_read(Block& block, std::uint64_t descriptor, int rows, const Knowledge& known, const Site& site,
                std::uint32_t thread) {
  bool inside = true;
  SharedMemory::Verdict worst;
  for_each_chunk(descriptor, rows,
                 [&](int, int, std::uint32_t address) { inside &= block.shared().contains(address, kChunkBytes); });
  if (!inside) {
    block.add_hazard(HazardKind::kSharedOutOfBounds, "operand of wgmma", site, thread);
    return false;
  }
  for_each_chunk(descriptor, rows, [&](int, int, std::uint32_t address) {
    const auto verdict = block.shared().begin_async_read(address, kChunkBytes, known);
    if (worst.finding == SharedMemory::Finding::kNone) worst = verdict;
  });
  block.judge_shared(worst, false, site, thread);
  block.count(Operation::kWgmma, site, wavefronts_of(descriptor, rows));
  return true;
}

void end_read(Block& block, std::uint64_t descriptor, int rows, std::uint32_t agent, std::uint32_t epoch) {
  for_each_chunk(descriptor, rows,
                 [&](int, int, std::uint32_t address) { block.shared().end_async_read(address, kChunkBytes, agent, epoch); });
}

WgmmaOperands::Fragments read_registers(const std::array<const std::uint32_t*, kThreads>& registers) {
  WgmmaOperands::Fragments held;
  for (std::size_t i = 0; i < kThreads; ++i) std::copy_n(registers[i], 4, held[i].begin());
  return held;
}

// Calls visit(thread, register, element of the matrix) for every accumulator.
template <class Visit>
void for_each_accumulator(int n, Visit&& visit) {
  for (int thread = 0; thread < kThreads; ++thread) {
    for (int i = 0; i < n / 2; ++i) {
      const auto at = fragments::wgmma_accumulator(thread, i);
      visit(static_cast<std::size_t>(thread), i, static_cast<std::size_t>(at.row * n + at.column));
    }
  }
}

}  // namespace

void WgmmaUnit::clear() {
  fenced_ = false;
  jobs_.clear();
  group_sizes_.clear();
  committed_ = 0;
  accumulators_.clear();
  register_operands_.clear();
}

void WgmmaUnit::fence() {
  fenced_ = true;
  for (RegisterOperand& known : register_operands_) known.at_fence = read_registers(known.registers);
}

// What the registers of A hold; a finding where threads wrote them since the last fence. That is known of registers that an
// instruction took before.
WgmmaOperands::Fragments WgmmaUnit::take_registers(Block& block, const Registers& registers, const Site& site,
                                                   std::uint32_t first_thread) {
  const WgmmaOperands::Fragments held = read_registers(registers);
  const auto known = std::find_if(register_operands_.begin(), register_operands_.end(),
                                  [&](const RegisterOperand& operand) { return operand.registers == registers; });
  if (known == register_operands_.end())
    register_operands_.push_back({registers, held});
  else if (known->at_fence != held)
    block.add_hazard(HazardKind::kWgmma, "no wgmma_fence since registers of A were written", site, first_thread);
  return held;
}

WgmmaUnit::Accumulators& WgmmaUnit::accumulators_of(Block& block, const WgmmaShape& shape,
                                                    const std::array<const WgmmaThread*, kThreads>& threads, const Site& site) {
  for (Accumulators& known : accumulators_) {
    if (known.registers[0] == threads[0]->d && known.n == shape.n) return known;
  }
  if (!fenced_) {
    block.add_hazard(HazardKind::kWgmma, "no wgmma_fence since the accumulators were the threads' own", site);
  }
  Accumulators& fresh = accumulators_.emplace_back();
  fresh.n = shape.n;
  fresh.values.resize(static_cast<std::size_t>(kRows * shape.n));
  for (std::size_t thread = 0; thread < kThreads; ++thread) fresh.registers[thread] = threads[thread]->d;
  for_each_accumulator(shape.n, [&](std::size_t thread, int i, std::size_t element) {
    fresh.values[element] = exchange_word(fresh.registers[thread], i, kPoisonedAccumulator);
  });
  return fresh;
}

void WgmmaUnit::issue(Block& block, std::uint32_t warpgroup, const WgmmaShape& shape,
                      const std::array<const WgmmaThread*, kThreads>& threads, const Site& site) {
  const WgmmaThread& first = *threads[0];
  const bool uniform = std::all_of(threads.begin(), threads.end(), [&](const WgmmaThread* thread) {
    return thread->a_descriptor == first.a_descriptor && thread->b_descriptor == first.b_descriptor &&
           thread->accumulate == first.accumulate;
  });
  if (!uniform) block.add_hazard(HazardKind::kWgmma, "threads of the warpgroup state different descriptors", site);
  if (decode_descriptor(first.a_descriptor).reserved || decode_descriptor(first.b_descriptor).reserved) {
    block.abort(HazardKind::kWgmma, "a descriptor with a base offset, or bits that no descriptor has, is not modelled", site);
  }
  Job job{shape, {first.a_descriptor, first.b_descriptor, {}}, {}, first.accumulate, nullptr, site};
  const Knowledge known = common_knowledge(block, warpgroup);
  const std::uint32_t thread = warpgroup * kThreads;
  if (!shape.a_in_registers && !begin_read(block, first.a_descriptor, kRows, known, site, thread)) return;
  if (!begin_read(block, first.b_descriptor, shape.n, known, site, thread)) {
    if (!shape.a_in_registers) end_read(block, first.a_descriptor, kRows, block.wgmma_agent(warpgroup), 0);
    return;
  }
  if (shape.a_in_registers) {
    for (std::size_t i = 0; i < kThreads; ++i) job.a_registers[i] = threads[i]->a;
    job.operands.a = take_registers(block, job.a_registers, site, thread);
  }
  job.accumulators = &accumulators_of(block, shape, threads, site);
  ++job.accumulators->pending;
  ++block.counts().wgmma;
  block.counts().macs += static_cast<std::uint64_t>(kRows * shape.k() * shape.n);
  jobs_.push_back(std::move(job));
}

void WgmmaUnit::commit() {
  group_sizes_.push_back(jobs_.size() - committed_);
  committed_ = jobs_.size();
}

void WgmmaUnit::wait(Block& block, std::uint32_t warpgroup, std::uint32_t pending_groups, const Site& site) {
  while (group_sizes_.size() > pending_groups) {
    const std::size_t count = group_sizes_.front();
    group_sizes_.pop_front();
    for (std::size_t i = 0; i < count; ++i) retire(block, warpgroup, site);
    committed_ -= count;
    // Accumulators that came back are the threads' own again.
    if (count) fenced_ = false;
  }
}

// Executes the oldest instruction; every warp of the warpgroup knows from its wait that the operands have been read.
void WgmmaUnit::retire(Block& block, std::uint32_t warpgroup, const Site& site) {
  const Job job = std::move(jobs_.front());
  jobs_.pop_front();
  const std::uint32_t agent = block.wgmma_agent(warpgroup);
  std::uint32_t epoch = 0;
  for (std::uint32_t i = 0; i < 4; ++i) {
    Knowledge& known = block.warps()[4 * warpgroup + i].known;
    known.time.advance(agent);
    epoch = known.time[agent];
  }
  if (job.shape.a_in_registers && read_registers(job.a_registers) != job.operands.a) {
    block.add_hazard(HazardKind::kWgmma, "registers of A were written while wgmma was under way", site, warpgroup * kThreads);
  }
  execute(block, job, agent, epoch);
  if (--job.accumulators->pending == 0) give_back(block, *job.accumulators, warpgroup, site);
}

void WgmmaUnit::execute(Block& block, const Job& job, std::uint32_t agent, std::uint32_t epoch) {
  std::vector<std::uint32_t>& values = job.accumulators->values;
  if (!job.accumulate) std::fill(values.begin(), values.end(), job.shape.no_accumulator());
  block.counts().unspecified += add_wgmma_product(block, job.shape, job.operands, values.data());
  if (!job.shape.a_in_registers) end_read(block, job.operands.a_descriptor, kRows, agent, epoch);
  end_read(block, job.operands.b_descriptor, job.shape.n, agent, epoch);
}

void WgmmaUnit::give_back(Block& block, Accumulators& accumulators, std::uint32_t warpgroup, const Site& site) {
  bool touched = false;
  for_each_accumulator(accumulators.n, [&](std::size_t thread, int i, std::size_t element) {
    touched |= exchange_word(accumulators.registers[thread], i, accumulators.values[element]) != kPoisonedAccumulator;
  });
  if (touched) {
    block.add_hazard(HazardKind::kWgmma, "accumulators were written while wgmma was under way", site, warpgroup * kThreads);
  }
  accumulators_.remove_if([&](const Accumulators& known) { return &known == &accumulators; });
}

}  // namespace simt::host
