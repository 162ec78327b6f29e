// Probes of what every architecture has: matrix instructions of a warp, shared memory, collectives, arithmetic, copies.
#pragma once
#include <type_traits>

#include <probe/probe_parts.cuh>

namespace immabench::inline SIMT_TARGET {
namespace probe_kinds {

// ---- matrix instructions: accumulators r0..r3, A from r4, B from r8
template <class A, class B, int kA, int kB>
SIMT_DEVICE void probe_mma(ProbeWordArray& r) {
  i32 d[4];
  u32 a[kA], b[kB];
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) d[i] = i32(r[i]);
  SIMT_UNROLL
  for (int i = 0; i < kA; ++i) a[i] = r[4 + i];
  SIMT_UNROLL
  for (int i = 0; i < kB; ++i) b[i] = r[8 + i];
  simt::mma(A{}, B{}, d, a, b);
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) r[i] = u32(d[i]);
}
IMMABENCH_PROBE(mma_m16n8k16_s8_s8) { probe_mma<simt::S8, simt::S8, 2, 1>(r); }
IMMABENCH_PROBE(mma_m16n8k32_s8_s8) { probe_mma<simt::S8, simt::S8, 4, 2>(r); }
IMMABENCH_PROBE(mma_m16n8k16_s8_u8) { probe_mma<simt::S8, simt::U8, 2, 1>(r); }
IMMABENCH_PROBE(mma_m16n8k32_s8_u8) { probe_mma<simt::S8, simt::U8, 4, 2>(r); }
IMMABENCH_PROBE(mma_m16n8k16_u8_s8) { probe_mma<simt::U8, simt::S8, 2, 1>(r); }
IMMABENCH_PROBE(mma_m16n8k32_u8_s8) { probe_mma<simt::U8, simt::S8, 4, 2>(r); }
IMMABENCH_PROBE(mma_m16n8k16_u8_u8) { probe_mma<simt::U8, simt::U8, 2, 1>(r); }
IMMABENCH_PROBE(mma_m16n8k32_u8_u8) { probe_mma<simt::U8, simt::U8, 4, 2>(r); }
IMMABENCH_PROBE(mma_m16n8k32_s4_s4) { probe_mma<simt::S4, simt::S4, 2, 1>(r); }
IMMABENCH_PROBE(mma_m16n8k64_s4_s4) { probe_mma<simt::S4, simt::S4, 4, 2>(r); }
IMMABENCH_PROBE(mma_m16n8k64_s4_u4) { probe_mma<simt::S4, simt::U4, 4, 2>(r); }
IMMABENCH_PROBE(mma_m16n8k64_u4_s4) { probe_mma<simt::U4, simt::S4, 4, 2>(r); }
IMMABENCH_PROBE(mma_m16n8k64_u4_u4) { probe_mma<simt::U4, simt::U4, 4, 2>(r); }

// Of floats: small integers from r4 to r9, and accumulators below 2^20, so that no order of summation changes a result.
template <class T>
SIMT_DEVICE void probe_float_mma(ProbeWordArray& r) {
  float d[4];
  u32 a[4], b[2];
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) d[i] = simt::to_float_rn(i32(r[i]) >> 12);
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) a[i] = small_pair<T>(r[4 + i]);
  SIMT_UNROLL
  for (int i = 0; i < 2; ++i) b[i] = small_pair<T>(r[8 + i]);
  simt::mma(T{}, T{}, d, a, b);
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) r[i] = as_bits(d[i]);
}
IMMABENCH_PROBE(mma_m16n8k16_f16) { probe_float_mma<simt::F16>(r); }
IMMABENCH_PROBE(mma_m16n8k16_bf16) { probe_float_mma<simt::BF16>(r); }

template <simt::BitOperation kOperation>
SIMT_DEVICE void probe_mma_b1(ProbeWordArray& r) {
  i32 d[4] = {i32(r[0]), i32(r[1]), i32(r[2]), i32(r[3])};
  const u32 a[4] = {r[4], r[5], r[6], r[7]}, b[2] = {r[8], r[9]};
  simt::mma_b1<kOperation>(d, a, b);
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) r[i] = u32(d[i]);
}
IMMABENCH_PROBE(mma_m16n8k256_b1_xor) { probe_mma_b1<simt::BitOperation::kXor>(r); }
IMMABENCH_PROBE(mma_m16n8k256_b1_and) { probe_mma_b1<simt::BitOperation::kAnd>(r); }

// ---- ldmatrix: rows of the own warp's shared memory, addressed at random by r4
template <int kCount, bool kTransposed>
SIMT_DEVICE void probe_ldmatrix(ProbeWordArray& r) {
  const u32 thread = simt::thread_index();
  simt::store_shared(own_row(thread), Row{{r[0], r[1], r[2], r[3]}});
  simt::syncwarp();
  u32 loaded[kCount];
  const u32 row = own_row(thread / 32 * 32 + r[4] % 32);
  if constexpr (kTransposed)
    simt::ldmatrix_transposed(loaded, row);
  else
    simt::ldmatrix(loaded, row);
  SIMT_UNROLL
  for (int i = 0; i < kCount; ++i) r[i] = loaded[i];
}
IMMABENCH_PROBE(ldmatrix_x1) { probe_ldmatrix<1, false>(r); }
IMMABENCH_PROBE(ldmatrix_x2) { probe_ldmatrix<2, false>(r); }
IMMABENCH_PROBE(ldmatrix_x4) { probe_ldmatrix<4, false>(r); }
IMMABENCH_PROBE(ldmatrix_x1_trans) { probe_ldmatrix<1, true>(r); }
IMMABENCH_PROBE(ldmatrix_x2_trans) { probe_ldmatrix<2, true>(r); }
IMMABENCH_PROBE(ldmatrix_x4_trans) { probe_ldmatrix<4, true>(r); }

// ---- shared memory and atomics between the two warps
IMMABENCH_PROBE(shared_memory) {
  const u32 thread = simt::thread_index();
  simt::store_shared(own_row(thread), Row{{r[0], r[1], r[2], r[3]}});
  simt::syncthreads();
  const u32 other = own_row(r[4] % kProbeThreads);
  const Row all = simt::load_shared<Row>(other);
  const auto half = simt::load_shared<simt::Vector<u32, 2>>(other + 8);
  const u32 word = simt::load_shared<u32>(other + 4);
  for (int i = 0; i < 4; ++i) r[i] = all[i];
  r[4] = half[0], r[5] = half[1], r[6] = word;
}
IMMABENCH_PROBE(atomic_add_shared) {
  if (simt::thread_index() == 0) simt::store_shared<u32>(simt::shared_base(), 7);
  simt::syncthreads();
  simt::atomic_add_shared(simt::shared_base(), i32(r[0]));
  simt::syncthreads();
  r[0] = simt::load_shared<u32>(simt::shared_base());
}

// ---- collectives of a warp
IMMABENCH_PROBE(shuffle) { r[0] = simt::shuffle(r[0], i32(r[1] % 32)); }
IMMABENCH_PROBE(shuffle_xor) { r[0] = simt::shuffle_xor(r[0], 21); }
IMMABENCH_PROBE(shuffle_up) { r[0] = simt::shuffle_up(r[0], 5); }
IMMABENCH_PROBE(shuffle_down) { r[0] = simt::shuffle_down(r[0], 9); }
IMMABENCH_PROBE(votes) {
  r[0] = simt::ballot(r[0] & 1);
  r[1] = simt::any((r[1] & 31) == 0);
  r[2] = simt::all((r[2] & 31) != 0);
}
IMMABENCH_PROBE(reduce_add) { r[0] = u32(simt::reduce_add(i32(r[0]))); }
IMMABENCH_PROBE(reduce_min) { r[0] = u32(simt::reduce_min(i32(r[0]))); }
IMMABENCH_PROBE(reduce_max) { r[0] = u32(simt::reduce_max(i32(r[0]))); }
IMMABENCH_PROBE(reduce_bits) {
  r[0] = simt::reduce_and(r[0] | r[1]);
  r[1] = simt::reduce_or(r[1] & r[2] & r[3]);
  r[2] = simt::reduce_xor(r[2]);
}
IMMABENCH_PROBE(block_votes) {
  r[0] = u32(simt::syncthreads_count(r[0] & 1));
  r[1] = simt::syncthreads_and(r[1] % 64 != 0);
  r[2] = simt::syncthreads_or(r[2] % 64 == 0);
}
IMMABENCH_PROBE(named_barriers) {
  const u32 thread = simt::thread_index();
  if (thread < 32) {
    simt::store_shared<u32>(simt::shared_base() + 4 * thread, r[0]);
    simt::barrier_arrive(3, kProbeThreads);
  } else {
    simt::barrier_sync(3, kProbeThreads);
    r[0] = simt::load_shared<u32>(simt::shared_base() + 4 * (r[1] % 32));
  }
}

// ---- arithmetic that must be the same everywhere
IMMABENCH_PROBE(multiply_rn) { r[0] = as_bits(simt::multiply_rn(simt::float_of_bits(r[0]), simt::float_of_bits(r[1]))); }
IMMABENCH_PROBE(add_rn) { r[0] = as_bits(simt::add_rn(simt::float_of_bits(r[0]), simt::float_of_bits(r[1]))); }
IMMABENCH_PROBE(divide_rn) { r[0] = as_bits(simt::divide_rn(simt::float_of_bits(r[0]), simt::float_of_bits(r[1]))); }
IMMABENCH_PROBE(sqrt_rn) { r[0] = as_bits(simt::sqrt_rn(simt::float_of_bits(r[0]))); }
IMMABENCH_PROBE(to_float_rn) { r[0] = as_bits(simt::to_float_rn(i32(r[0]))); }
IMMABENCH_PROBE(to_int_rn) { r[0] = u32(simt::to_int_rn(simt::float_of_bits(r[0]))); }
IMMABENCH_PROBE(pack_f16x2) { r[0] = simt::pack_f16x2(simt::float_of_bits(r[0]), simt::float_of_bits(r[1])); }
IMMABENCH_PROBE(pack_bf16x2) { r[0] = simt::pack_bf16x2(simt::float_of_bits(r[0]), simt::float_of_bits(r[1])); }
// Finite ones: which NaN a NaN becomes is not specified.
IMMABENCH_PROBE(from_16_bits) {
  r[0] = as_bits(simt::from_f16(simt::u16(r[0] & 0xFBFF)));
  r[1] = as_bits(simt::from_bf16(simt::u16(r[1] & 0xFF7F)));
}
// NaNs become one and the same.
IMMABENCH_PROBE(pairs_f16) {
  const u32 a = r[0], b = r[1], c = r[2];
  r[0] = simt::fma_rn_f16x2(a, b, c), r[1] = simt::multiply_rn_f16x2(a, b), r[2] = simt::subtract_rn_f16x2(a, b);
}
IMMABENCH_PROBE(pairs_bf16) {
  const u32 a = r[0], b = r[1], c = r[2];
  r[0] = simt::fma_rn_bf16x2(a, b, c), r[1] = simt::multiply_rn_bf16x2(a, b), r[2] = simt::subtract_rn_bf16x2(a, b);
}
IMMABENCH_PROBE(dot_s8) { r[0] = u32(simt::dot_s8(r[0], r[1], i32(r[2]))); }
IMMABENCH_PROBE(byte_maxima) {
  simt::ByteMaxima maxima;
  for (int i = 0; i < 5; ++i) simt::include_bytes(maxima, r[i]);
  r[0] = simt::maximal_bytes(maxima);
}
IMMABENCH_PROBE(permute_bytes) { r[0] = simt::permute_bytes(r[0], r[1], r[2]); }
IMMABENCH_PROBE(bits) {
  r[3] = simt::logic3<0xE8>(r[0], r[1], r[2]);
  r[4] = simt::logic3<0x96>(r[0], r[1], r[2]);
  r[0] = simt::funnel_shift_right(r[0], r[1], r[2] % 32);
}
// ---- of the input or the output itself
// Twelve words by chunks of 16, 8 and 4 bytes; how many bytes of a chunk are there is random, the rest arrives as zeros.
IMMABENCH_PROBE_OF_INPUT(copy_async) {
  const u32 thread = simt::thread_index(), base = simt::shared_base();
  const u32 sixteen = base + 16 * thread, eight = base + 1024 + 8 * thread, four = base + 1536 + 4 * thread;
  simt::copy_async<16>(sixteen, p.in + 4 * i32(thread), i32(r[0] % 17));
  simt::copy_async_commit();
  simt::copy_async<8>(eight, p.in + 256 + 2 * i32(thread), i32(r[1] % 9));
  simt::copy_async<4>(four, p.in + 512 + i32(thread), i32(r[2] % 5));
  simt::copy_async_commit();
  simt::copy_async_wait<1>();
  const Row first = simt::load_shared<Row>(sixteen);
  simt::copy_async_wait<0>();
  simt::syncthreads();
  const auto second = simt::load_shared<simt::Vector<u32, 2>>(base + 1024 + 8 * (r[3] % kProbeThreads));
  const u32 third = simt::load_shared<u32>(base + 1536 + 4 * (r[4] % kProbeThreads));
  for (int i = 0; i < 4; ++i) r[i] = first[i];
  r[4] = second[0], r[5] = second[1], r[6] = third;
}

// The same whole or not at all.
IMMABENCH_PROBE_OF_INPUT(copy_async_or_zeros) {
  const u32 mine = simt::shared_base() + 16 * simt::thread_index();
  simt::copy_async_or_zeros(mine, p.in + 4 * i32(simt::thread_index()), r[0] % 2 == 0);
  simt::copy_async_commit();
  simt::copy_async_wait<0>();
  const Row row = simt::load_shared<Row>(mine);
  for (int i = 0; i < 4; ++i) r[i] = row[i];
}

// Of the first row of random words, a random chunk of 16 bytes, one of 8 and a word.
IMMABENCH_PROBE_OF_INPUT(load_global_coherent) {
  const Row row = simt::load_global_coherent(p.in.as<Row>() + i32(r[0] % (kProbeThreads / 4)));
  const auto pair = simt::load_global_coherent(p.in.as<simt::Vector<u32, 2>>() + i32(r[1] % (kProbeThreads / 2)));
  const u32 word = simt::load_global_coherent(p.in + i32(r[2] % kProbeThreads));
  for (int i = 0; i < 4; ++i) r[i] = row[i];
  r[4] = pair[0], r[5] = pair[1], r[6] = word;
}

// ---- atomics on the output's first row. Each lane adds to a counter that is its alone by then, so that the value before is
// the same in every order, and to a random one, of which the sum is.
template <class Add>
SIMT_DEVICE void probe_add_global(const ProbeParameters& p, ProbeWordArray& r, Add add) {
  const i32 thread = i32(simt::thread_index());
  const auto counters = p.out.as<i32>();
  simt::store_global(counters + thread, i32(r[0]));
  simt::syncthreads();
  r[1] = u32(add(counters + (thread ^ 21), i32(r[1])));
  simt::syncthreads();
  add(counters + i32(r[2] % kProbeThreads), i32(r[3]));
  simt::syncthreads();
  r[0] = u32(simt::load_global_coherent(counters + (thread ^ 9)));
  simt::syncthreads();
}
IMMABENCH_PROBE_OF_INPUT(atomic_add_global) {
  probe_add_global(p, r, [](simt::Global<i32> at, i32 value) { return simt::atomic_add_global(at, value); });
}
IMMABENCH_PROBE_OF_INPUT(atomic_add_global_acq_rel) {
  probe_add_global(p, r, [](simt::Global<i32> at, i32 value) { return simt::atomic_add_global_acq_rel(at, value); });
}

using WarpProbes =
    ProbeList<mma_m16n8k16_s8_s8, mma_m16n8k32_s8_s8, mma_m16n8k16_s8_u8, mma_m16n8k32_s8_u8, mma_m16n8k16_u8_s8,
              mma_m16n8k32_u8_s8, mma_m16n8k16_u8_u8, mma_m16n8k32_u8_u8, mma_m16n8k32_s4_s4, mma_m16n8k64_s4_s4,
              mma_m16n8k64_s4_u4, mma_m16n8k64_u4_s4, mma_m16n8k64_u4_u4, mma_m16n8k16_f16, mma_m16n8k16_bf16,
              mma_m16n8k256_b1_xor, mma_m16n8k256_b1_and, ldmatrix_x1, ldmatrix_x2, ldmatrix_x4, ldmatrix_x1_trans,
              ldmatrix_x2_trans, ldmatrix_x4_trans, shared_memory, atomic_add_shared, shuffle, shuffle_xor, shuffle_up,
              shuffle_down, votes, reduce_add, reduce_min, reduce_max, reduce_bits, block_votes, named_barriers, multiply_rn,
              add_rn, divide_rn, sqrt_rn, to_float_rn, to_int_rn, pack_f16x2, pack_bf16x2, from_16_bits, pairs_f16, pairs_bf16,
              dot_s8, byte_maxima, permute_bytes, bits, copy_async, copy_async_or_zeros, load_global_coherent,
              atomic_add_global, atomic_add_global_acq_rel>;

}  // namespace probe_kinds
}  // namespace immabench::inline SIMT_TARGET
