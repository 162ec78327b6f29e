// Counts that can be worked out by hand from the rules of the memory system.
#include "harness.hpp"

using namespace machine_tests;
using simt::host::Access;
using simt::host::Operation;

namespace {

template <class T>
simt::u64 store_wavefronts(u32 stride) {
  const Report report =
      run({.shared_bytes = 65536}, [stride] { simt::store_shared(simt::shared_base() + simt::thread_index() * stride, T{}); });
  CHECK(report.clean());
  return report.counts.of(Operation::kSharedStore).units;
}

using Eight = simt::Vector<u32, 2>;
using Sixteen = simt::Vector<u32, 4>;

alignas(256) float source[4096];

simt::host::Transactions load_sectors(u32 offset, u32 stride, u32 lanes = 32) {
  const Report report = run({.memory = {input(source)}}, [=] {
    const simt::Global<float> p{reinterpret_cast<simt::u64>(source)};
    if (simt::lane_index() < lanes) simt::load_global(p + offset + simt::lane_index() * stride);
  });
  CHECK(report.clean());
  return report.counts.of(Operation::kGlobalLoad);
}

}  // namespace

CASE(four_byte_stores_conflict_by_stride) {
  CHECK_EQUAL(store_wavefronts<u32>(4), 1u);
  CHECK_EQUAL(store_wavefronts<u32>(8), 2u);
  CHECK_EQUAL(store_wavefronts<u32>(128), 32u);
  CHECK_EQUAL(store_wavefronts<u32>(132), 1u);
}

CASE(wide_stores_go_in_halves_and_quarters) {
  CHECK_EQUAL(store_wavefronts<Eight>(8), 2u);
  CHECK_EQUAL(store_wavefronts<Eight>(16), 4u);
  CHECK_EQUAL(store_wavefronts<Sixteen>(16), 4u);
  CHECK_EQUAL(store_wavefronts<Sixteen>(64), 16u);
  CHECK_EQUAL(store_wavefronts<Sixteen>(128), 32u);
  CHECK_EQUAL(store_wavefronts<Sixteen>(144), 4u);
}

CASE(a_broadcast_is_one_wavefront) {
  const Report report = run({}, [] {
    if (simt::thread_index() == 0) simt::store_shared<u32>(simt::shared_base(), 1);
    simt::syncwarp();
    simt::load_shared<u32>(simt::shared_base());
  });
  CHECK_EQUAL(report.counts.of(Operation::kSharedLoad).units, 1u);
  CHECK_EQUAL(report.counts.of(Operation::kSharedLoad).requests, 1u);
}

CASE(global_loads_count_sectors) {
  CHECK_EQUAL(load_sectors(0, 1).units, 4u);
  CHECK_EQUAL(load_sectors(1, 1).units, 5u);
  CHECK_EQUAL(load_sectors(0, 2).units, 8u);
  CHECK_EQUAL(load_sectors(0, 8).units, 32u);
  CHECK_EQUAL(load_sectors(0, 0).units, 1u);
  CHECK_EQUAL(load_sectors(0, 0).ideal, 1u);
  CHECK_EQUAL(load_sectors(0, 2).ideal, 4u);
  CHECK_EQUAL(load_sectors(0, 1, 5).bytes, 20u);
}

CASE(coherent_loads_count_sectors) {
  for (const u32 stride : {1u, 2u}) {
    const Report report = run({.memory = {input(source)}}, [stride] {
      simt::load_global_coherent(simt::Global<Sixteen>{reinterpret_cast<simt::u64>(source)} + simt::lane_index() * stride);
    });
    CHECK(report.clean());
    const auto& loads = report.counts.of(Operation::kGlobalLoad);
    CHECK_EQUAL(loads.units, stride == 1 ? 16u : 32u);
    CHECK_EQUAL(loads.ideal, 16u);
    CHECK_EQUAL(loads.bytes, 512u);
  }
}

CASE(coherent_loads_of_every_size_count_as_loads) {
  const Report report = run({.memory = {input(source)}}, [] {
    const u32 lane = simt::lane_index();
    const simt::u64 start = reinterpret_cast<simt::u64>(source);
    simt::load_global_coherent(simt::Global<u32>{start} + lane);
    simt::load_global_coherent(simt::Global<Eight>{start} + lane);
    simt::load_global_coherent(simt::Global<Sixteen>{start} + lane);
  });
  CHECK(report.clean());
  const auto& loads = report.counts.of(Operation::kGlobalLoad);
  CHECK_EQUAL(loads.requests, 3u);
  CHECK_EQUAL(loads.bytes, 32u * (4 + 8 + 16));
  CHECK_EQUAL(loads.units, 4u + 8 + 16);
}

CASE(atomics_count_sectors) {
  alignas(256) static simt::i32 counters[32 * 8];
  for (const u32 stride : {0u, 1u, 8u}) {
    const Report report = run({.memory = {input_and_output(counters)}}, [stride] {
      const simt::Global<simt::i32> p{reinterpret_cast<simt::u64>(counters)};
      simt::atomic_add_global(p + simt::lane_index() * stride, 1);
      if (simt::lane_index() < 5) simt::atomic_add_global_acq_rel(p + simt::lane_index() * stride, 1);
    });
    CHECK(report.clean());
    const auto& atomics = report.counts.of(Operation::kGlobalAtomic);
    CHECK_EQUAL(atomics.requests, 2u);
    CHECK_EQUAL(atomics.bytes, 4u * (32 + 5));
    CHECK_EQUAL(atomics.units, stride == 0 ? 1u + 1 : stride == 1 ? 4u + 1 : 32u + 5);
    CHECK_EQUAL(atomics.ideal, stride == 0 ? 1u + 1 : 4u + 1);
    CHECK_EQUAL(report.counts.of(Operation::kGlobalLoad).requests, 0u);
    CHECK_EQUAL(report.counts.of(Operation::kGlobalStore).requests, 0u);
  }
}

CASE(ldmatrix_conflicts_without_a_swizzle) {
  for (const bool swizzled : {false, true}) {
    const Report report = run({}, [=] {
      const u32 lane = simt::lane_index();
      for (u32 chunk = lane; chunk < 256; chunk += 32) simt::store_shared(simt::shared_base() + 16 * chunk, Sixteen{});
      simt::syncwarp();
      u32 r[4];
      const u32 row = lane % 8, column = swizzled ? lane / 8 ^ row : lane / 8;
      simt::ldmatrix(r, simt::shared_base() + row * 128 + column * 16);
    });
    CHECK(report.clean());
    CHECK_EQUAL(report.counts.of(Operation::kLdmatrix).units, swizzled ? 4u : 32u);
    CHECK_EQUAL(report.counts.of(Operation::kLdmatrix).ideal, 4u);
  }
}

CASE(divergent_lanes_are_grouped_into_their_requests) {
  // Even lanes run the loop twice, odd lanes three times: three requests, of 32, 32 and 16 lanes.
  const Report report = run({.memory = {input(source)}}, [] {
    const simt::Global<float> p{reinterpret_cast<simt::u64>(source)};
    for (u32 i = 0; i < 2 + simt::lane_index() % 2; ++i) simt::load_global(p + 32 * i + simt::lane_index());
  });
  const auto& loads = report.counts.of(Operation::kGlobalLoad);
  CHECK_EQUAL(loads.requests, 3u);
  CHECK_EQUAL(loads.bytes, 4u * (32 + 32 + 16));
  CHECK_EQUAL(loads.units, 12u);
  CHECK_EQUAL(loads.ideal, 4u + 4u + 2u);
}

CASE(counts_by_line_sum_to_the_total) {
  const Report report = run(
      {.threads = 128, .blocks = 5},
      [] {
        for (u32 i = 0; i < 3; ++i) simt::store_shared<u32>(simt::shared_base() + 4 * simt::thread_index(), i);
        simt::store_shared(simt::shared_base() + 1024 + 8 * simt::thread_index(), Eight{});
      },
      Order::kForward, 2);
  CHECK(report.clean());
  CHECK_EQUAL(report.lines.size(), std::size_t{2});
  simt::host::Transactions sum;
  for (const auto& line : report.lines) sum += line.transactions;
  const auto& total = report.counts.of(Operation::kSharedStore);
  CHECK_EQUAL(sum.requests, total.requests);
  CHECK_EQUAL(total.requests, 5u * 4 * 4);
  CHECK_EQUAL(sum.units, 5u * 4 * (3 + 2));
}
