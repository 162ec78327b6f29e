// wgmma of integers: products against plain loops for every shape, type and layout, and what it costs shared memory.
#include <random>

#include "wgmma_operands.hpp"

using namespace machine_tests;
using simt::i32;
using simt::MatrixLayout;
using simt::S8;
using simt::TensorSwizzle;
using simt::u64;
using simt::U8;
using simt::u8;

namespace {

constexpr int kDepth = 32;

u8 a_matrix[kRows][kDepth], b_matrix[256][kDepth];
i32 product[kRows][256];

void fill_operands() {
  std::mt19937 random(11);
  for (auto& row : a_matrix)
    for (u8& value : row) value = u8(random());
  for (auto& row : b_matrix)
    for (u8& value : row) value = u8(random());
  a_matrix[0][0] = b_matrix[0][0] = 0x80, a_matrix[0][1] = b_matrix[0][1] = 0x7F, a_matrix[0][2] = b_matrix[0][2] = 0xFF;
}

template <std::size_t kCount>
void store_operand(u32 at, u8 (&matrix)[kCount][kDepth], int rows, TensorSwizzle swizzle, int first_chunk) {
  for (int i = int(thread()); i < rows * 2; i += 128) {
    simt::Vector<u32, 4> chunk;
    std::memcpy(&chunk, &matrix[i / 2][i % 2 * 16], 16);
    simt::store_shared(at + chunk_place(swizzle, i / 2, i % 2, first_chunk), chunk);
  }
}

void load_a_registers(u32 (&a)[4]) {
  for (int e = 0; e < 16; ++e) {
    const auto at = simt::fragments::a_element(int(simt::lane_index()), e, 4);
    reinterpret_cast<u8*>(a)[e] = a_matrix[simt::warp_index() * 16 + u32(at.row)][at.column];
  }
}

template <class A, class B, int kN>
void check_product(TensorSwizzle swizzle, bool a_in_registers, int first_chunk = 0) {
  expect_clean({.threads = 128, .shared_bytes = kSharedBytes}, [&] {
    store_operand(at_a(), a_matrix, kRows, swizzle, first_chunk);
    store_operand(at_b(), b_matrix, kN, swizzle, first_chunk);
    simt::fence_proxy_async();
    simt::syncthreads();
    const u64 a = simt::matrix_descriptor(at_a() + u32(first_chunk) * 16, layout_of(swizzle));
    const u64 b = simt::matrix_descriptor(at_b() + u32(first_chunk) * 16, layout_of(swizzle));
    i32 d[kN / 2];
    for (i32& sum : d) sum = 77;
    u32 registers[4];
    load_a_registers(registers);
    simt::wgmma_fence();
    // Twice: once in place of what the registers hold, once on top.
    for (const bool accumulate : {false, true}) {
      if (a_in_registers)
        simt::wgmma(A{}, B{}, d, registers, b, accumulate);
      else
        simt::wgmma(A{}, B{}, d, a, b, accumulate);
    }
    simt::wgmma_commit();
    simt::wgmma_wait<0>(d);
    for (int i = 0; i < kN / 2; ++i) {
      // PTX ISA, figure of the accumulators of wgmma .m64nNk32.
      const u32 row = simt::warp_index() * 16 + simt::lane_index() / 4 + u32(i / 2 % 2) * 8;
      product[row][u32(i / 4) * 8 + simt::lane_index() % 4 * 2 + u32(i % 2)] = d[i];
    }
  });
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kN; ++column) {
      i32 want = 0;
      for (int k = 0; k < kDepth; ++k) {
        const i32 left = A::kSigned ? i32(std::int8_t(a_matrix[row][k])) : i32(a_matrix[row][k]);
        const i32 right = B::kSigned ? i32(std::int8_t(b_matrix[column][k])) : i32(b_matrix[column][k]);
        want += 2 * left * right;
      }
      CHECK_EQUAL(product[row][column], want);
    }
  }
}

template <int kN>
void check_width() {
  check_product<S8, S8, kN>(TensorSwizzle::k128Bytes, false);
  check_product<S8, S8, kN>(TensorSwizzle::k128Bytes, true);
}

template <int... kSixteenths>
void check_widths(std::integer_sequence<int, kSixteenths...>) {
  (check_width<16 * (kSixteenths + 1)>(), ...);
}

}  // namespace

CASE(wgmma_of_every_width) {
  fill_operands();
  check_width<8>();
  check_width<24>();
  check_widths(std::make_integer_sequence<int, 16>{});
}

CASE(wgmma_of_every_pair_of_types) {
  fill_operands();
  for (const bool registers : {false, true}) {
    check_product<S8, S8, 64>(TensorSwizzle::k128Bytes, registers);
    check_product<S8, U8, 64>(TensorSwizzle::k128Bytes, registers);
    check_product<U8, S8, 64>(TensorSwizzle::k128Bytes, registers);
    check_product<U8, U8, 64>(TensorSwizzle::k128Bytes, registers);
  }
}

CASE(wgmma_in_every_layout_and_at_every_step_along_k) {
  fill_operands();
  check_product<S8, S8, 96>(TensorSwizzle::kNone, false);
  check_product<S8, S8, 96>(TensorSwizzle::k32Bytes, false);
  for (const int first : {0, 2}) check_product<S8, S8, 96>(TensorSwizzle::k64Bytes, false, first);
  for (const int first : {0, 2, 4, 6}) check_product<S8, S8, 96>(TensorSwizzle::k128Bytes, false, first);
}

// ---- what it costs

namespace {

Report run_counted(u32 row_group_bytes) {
  return run({.threads = 128, .shared_bytes = kSharedBytes}, [&] {
    for (u32 i = 4 * thread(); i < kSharedBytes; i += 512) simt::store_shared<u32>(simt::shared_base() + i, i);
    simt::fence_proxy_async();
    simt::syncthreads();
    i32 d[32];
    simt::wgmma_fence();
    const MatrixLayout layout{TensorSwizzle::kNone, row_group_bytes, 16};
    simt::wgmma(S8{}, S8{}, d, simt::matrix_descriptor(at_a(), simt::swizzled_layout(TensorSwizzle::k128Bytes)),
                simt::matrix_descriptor(at_b(), layout), false);
    simt::wgmma_commit();
    simt::wgmma_wait<0>(d);
  });
}

}  // namespace

CASE(wgmma_counts_wavefronts_of_core_matrices) {
  const Report report = run_counted(128);
  CHECK_EQUAL(report.counts.wgmma, u64{1});
  CHECK_EQUAL(report.counts.macs, u64{64 * 64 * 32});
  const auto& operands = report.counts.of(simt::host::Operation::kWgmma);
  CHECK_EQUAL(operands.requests, u64{2});
  CHECK_EQUAL(operands.bytes, u64{(64 + 64) * 32});
  CHECK_EQUAL(operands.ideal, u64{2 * 8 * 2});
  CHECK_EQUAL(operands.units, operands.ideal);
}
