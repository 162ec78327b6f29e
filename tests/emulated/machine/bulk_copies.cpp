// Bulk copies of plain bytes, stores of boxes, multicast, and what they count.
#include "bulk_copies.hpp"

using namespace machine_tests;

CASE(bulk_load_of_plain_bytes) {
  fill_source();
  static u8 got[256];
  expect_clean({.memory = {input(source)}}, [] {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 256);
      simt::bulk_load(box(), global(source + 32), 256, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
    const auto word = simt::load_shared<u64>(box() + 8 * thread());
    std::memcpy(got + 8 * thread(), &word, 8);
  });
  CHECK(std::memcmp(got, source + 32, 256) == 0);
}

CASE(bulk_store_of_a_box_is_clipped) {
  alignas(16) static u8 target[50][64];
  std::memset(target, 0, sizeof target);
  TensorDescription t = dense(target, 1, {40, 45}, {32, 16}, TensorSwizzle::k32Bytes);
  t.stride_bytes[1] = 64;
  const TensorMap map{t};
  expect_clean({.memory = {output(target)}}, [&] {
    for (u32 i = thread(); i < 128; i += 32)
      simt::store_shared<u32>(simt::swizzled(t.swizzle, box() + 4 * i), 0x01010101 * (i / 8 + 1));
    simt::fence_proxy_async();
    if (thread() == 0) {
      const i32 at[2] = {16, 33};
      simt::tensor_store(map, at, box());
      simt::bulk_commit();
      simt::bulk_wait<0>();
    }
  });
  for (u32 y = 0; y < 50; ++y) {
    for (u32 x = 0; x < 64; ++x) {
      const bool inside = y >= 33 && y < 45 && x >= 16 && x < 40;
      CHECK_EQUAL(u32(target[y][x]), inside ? y - 33 + 1 : 0u);
    }
  }
}

CASE(bulk_multicast_reaches_the_blocks_named) {
  static u32 seen[4];
  fill_source();
  expect_clean({.blocks = 4, .cluster = 4, .memory = {input(source)}}, [] {
    set_up();
    simt::cluster_arrive();
    simt::cluster_wait();
    const TensorMap map{dense(source, 1, {256, 16}, {64, 4})};
    const u32 rank = simt::cluster_rank();
    if (thread() == 0) {
      // Blocks 0 and 2 each fetch one half for the even, 1 and 3 for the odd blocks.
      simt::mbarrier_arrive_expect_tx(mbarrier(), 512);
      const i32 at[2] = {0, i32(4 * rank)};
      simt::tensor_load_multicast(box() + rank / 2 * 256, map, at, mbarrier(), u16(rank % 2 ? 0b1010 : 0b0101));
    }
    simt::mbarrier_wait(mbarrier(), 0);
    const u32 word = simt::load_shared<u32>(box() + 256);
    if (thread() == 0) seen[rank] = word;
    simt::cluster_arrive();
    simt::cluster_wait();
  });
  for (u32 rank = 0; rank < 4; ++rank) {
    u32 want;
    std::memcpy(&want, source + 256 * 4 * (2 + rank % 2), 4);
    CHECK_EQUAL(seen[rank], want);
  }
}

CASE(bulk_copies_count_their_sectors) {
  const TensorMap map{dense(source, 1, {200, 32}, {64, 8})};
  const Report report = run({.memory = {input(source)}}, [&] {
    set_up();
    if (thread() == 0) {
      simt::mbarrier_arrive_expect_tx(mbarrier(), 512);
      const i32 at[2] = {0, 0};
      simt::tensor_load(box(), map, at, mbarrier());
    }
    simt::mbarrier_wait(mbarrier(), 0);
  });
  const auto& loads = report.counts.of(simt::host::Operation::kBulkLoad);
  CHECK_EQUAL(loads.requests, u64{1});
  CHECK_EQUAL(loads.bytes, u64{512});
  CHECK_EQUAL(loads.ideal, u64{16});
  // Rows lie 208 bytes apart: every other one starts in the middle of a sector.
  CHECK_EQUAL(loads.units, u64{20});
}
