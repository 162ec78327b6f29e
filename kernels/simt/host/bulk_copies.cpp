#include <simt/host/bulk_copies.hpp>

#include <cstring>

#include <simt/host/cluster.hpp>

namespace simt::host {
namespace {

constexpr std::uint32_t kChunkBytes = 16;  // what swizzling keeps together
constexpr std::uint32_t kSectorBytes = 32;
// PTX ISA, cp.async.bulk.tensor: alignment of the box in shared memory.
constexpr std::uint32_t kBoxAlignment = 128;

// Calls visit(offset in the box, global address, bytes) for what lies inside the tensor.
template <class Visit>
void for_each_piece(const BulkExtent& extent, Visit&& visit) {
  if (!extent.tensor) return visit(0u, extent.address, extent.bytes);
  const auto element = static_cast<std::uint32_t>(extent.tensor->element_bytes);
  const std::uint32_t row_bytes = extent.tensor->box[0] * element;
  for_each_row(*extent.tensor, extent.position, [&](const BoxRow& row) {
    if (row.count) visit(row.row * row_bytes + row.skipped * element, row.address, row.count * element);
  });
}

// Copies bytes between the box at `shared` and plain memory, chunk by chunk; `copy(in the box, in memory, bytes)`.
template <class Copy>
void for_each_chunk(SharedMemory& memory, TensorSwizzle swizzle, std::uint32_t shared, std::uint64_t global,
                    std::uint32_t bytes, Copy&& copy) {
  for (std::uint32_t done = 0; done < bytes;) {
    const std::uint32_t address = shared + done;
    const std::uint32_t part = std::min(bytes - done, kChunkBytes - address % kChunkBytes);
    copy(memory.at(swizzled(swizzle, address)), reinterpret_cast<std::uint8_t*>(global + done), part);
    done += part;
  }
}

Transactions sectors_of(const BulkExtent& extent) {
  Transactions sum{.requests = 1};
  for_each_piece(extent, [&](std::uint32_t, std::uint64_t address, std::uint32_t bytes) {
    sum.bytes += bytes;
    sum.units += (address + bytes - 1) / kSectorBytes - address / kSectorBytes + 1;
    sum.ideal += (bytes + kSectorBytes - 1) / kSectorBytes;
  });
  return sum;
}

bool is_aligned(Block& by, const BulkExtent& extent, std::uint32_t shared, const Site& site) {
  const std::uint32_t alignment = extent.tensor ? kBoxAlignment : kChunkBytes;
  const bool aligned = shared % alignment == 0 && extent.address % kChunkBytes == 0 && extent.bytes % kChunkBytes == 0;
  if (!aligned) {
    by.add_hazard(HazardKind::kMisaligned,
                  extent.tensor ? "the box of a bulk copy starts on 128 bytes of shared memory"
                                : "a bulk copy moves 16-byte multiples between addresses that are such",
                  site);
  }
  return aligned;
}

// Whether all of it may be touched; a finding for each piece that may not.
bool judge_pieces(Block& by, const BulkExtent& extent, GlobalMemory::Touch touch, const char* action, const Site& site) {
  bool allowed = true;
  for_each_piece(extent, [&](std::uint32_t, std::uint64_t address, std::uint32_t bytes) {
    allowed &= by.judge_global_bulk(touch, action, address, bytes, site);
  });
  return allowed;
}

}  // namespace

// ---------------------------------------------------------------- loads

void BulkLoads::start(Block& by, const BulkExtent& from, std::uint32_t destination, std::uint32_t mbarrier, std::uint32_t ranks,
                      const Site& site) {
  if (!is_aligned(by, from, destination, site)) return;
  Load load{from, destination, mbarrier, {}, by.warp().known, site};
  load.issuer.acquired.clear();  // PTX ISA, "Asynchronous Operations": completing bytes order nothing that its thread did
  for (std::uint32_t rank = 0; rank < by.cluster().size(); ++rank) {
    if (!(ranks >> rank & 1)) continue;
    Block& target = by.cluster().block(rank);
    if (target.finished()) {
      by.add_hazard(HazardKind::kPeerExited, "a bulk load into a block of the cluster that has returned", site);
      continue;
    }
    if (!target.mbarriers().accepts_load(by, mbarrier, site)) continue;
    if (!target.within_shared(destination, from.bytes, kChunkBytes, site, by.thread())) continue;
    by.judge_shared(target.shared().begin_async_write(destination, from.bytes, by.accessor(by.thread())), true, site,
                    by.thread());
    std::memset(target.shared().at(destination), SharedMemory::kPoison, from.bytes);
    load.targets.push_back(&target);
  }
  load.allowed = !by.options().check || judge_pieces(by, from, GlobalMemory::Touch::kLoad, "bulk load", site);
  by.count(Operation::kBulkLoad, site, sectors_of(from));
  by.warp().known.time.advance(by.warp().agent);
  loads_.push_back(std::move(load));
}

void BulkLoads::land(std::size_t index) {
  const auto found = loads_.begin() + static_cast<std::ptrdiff_t>(index);
  const Load load = std::move(*found);
  loads_.erase(found);
  for (Block* target : load.targets) {
    SharedMemory& shared = target->shared();
    std::memset(shared.at(load.destination), load.allowed ? 0 : SharedMemory::kPoison, load.from.bytes);
    for_each_piece(
        load.allowed ? load.from : BulkExtent{}, [&](std::uint32_t offset, std::uint64_t address, std::uint32_t bytes) {
          for_each_chunk(shared, load.from.swizzle(), load.destination + offset, address, bytes,
                         [](std::uint8_t* box, std::uint8_t* memory, std::uint32_t part) { std::memcpy(box, memory, part); });
        });
    const auto writer = target->mbarriers().writer(load.mbarrier);
    shared.end_async_write(load.destination, load.from.bytes, writer.agent, writer.epoch);
    target->mbarriers().complete(load.mbarrier, load.from.bytes, load.issuer);
  }
}

// ---------------------------------------------------------------- stores

void BulkStores::clear() {
  stores_.clear();
  group_sizes_.clear();
  committed_ = 0;
}

void BulkStores::start(Block& block, const BulkExtent& to, std::uint32_t source, const Site& site) {
  if (!is_aligned(block, to, source, site) || !block.within_shared(source, to.bytes, kChunkBytes, site, block.thread())) return;
  block.judge_shared(block.shared().begin_async_read(source, to.bytes, block.warp().known), false, site, block.thread());
  const bool allowed = judge_pieces(block, to, GlobalMemory::Touch::kStore, "bulk store", site);
  block.count(Operation::kBulkStore, site, sectors_of(to));
  stores_.push_back({to, source, allowed, site});
}

void BulkStores::commit() {
  group_sizes_.push_back(stores_.size() - committed_);
  committed_ = stores_.size();
}

void BulkStores::wait(Block& block, std::uint32_t pending_groups) {
  const std::uint32_t agent = block.bulk_store_agent(block.thread() / 128);
  Block::Warp& warp = block.warp();
  while (group_sizes_.size() > pending_groups) {
    warp.known.time.advance(agent);
    for (std::size_t left = group_sizes_.front(); left > 0; --left) {
      const Store store = stores_.front();
      stores_.pop_front();
      for_each_piece(
          store.allowed ? store.to : BulkExtent{}, [&](std::uint32_t offset, std::uint64_t address, std::uint32_t bytes) {
            for_each_chunk(block.shared(), store.to.swizzle(), store.source + offset, address, bytes,
                           [](std::uint8_t* box, std::uint8_t* memory, std::uint32_t part) { std::memcpy(memory, box, part); });
          });
      block.shared().end_async_read(store.source, store.to.bytes, agent, warp.known.time[agent]);
    }
    committed_ -= group_sizes_.front();
    group_sizes_.pop_front();
  }
}

}  // namespace simt::host
