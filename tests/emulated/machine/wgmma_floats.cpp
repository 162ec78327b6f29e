// wgmma of floats against plain sums of small numbers, which no order changes: every width, layout and step along K.
#include <algorithm>

#include "floats.hpp"
#include "wgmma_operands.hpp"

using namespace machine_tests;
using simt::MatrixLayout;
using simt::TensorSwizzle;

namespace {

float a_matrix[kRows][kDepth], b_matrix[256][kDepth], product[kRows][256];

// Multiples of 1/8 below 16, and integers below 128: sums of 33 products are multiples of 1/8 below 2^17.
void fill_operands() {
  for (auto& row : a_matrix)
    for (float& value : row) value = float(random_int(-127, 127)) / 8;
  for (auto& row : b_matrix)
    for (float& value : row) value = float(random_int(-127, 127));
}

template <class T>
void store_operand(u32 at, const float (*matrix)[kDepth], int rows, TensorSwizzle swizzle, int first_chunk) {
  for (int i = int(thread()); i < rows * 2; i += 128) {
    u16 elements[8];
    for (int e = 0; e < 8; ++e) elements[e] = encode<T>(matrix[i / 2][i % 2 * 8 + e]);
    simt::Vector<u32, 4> chunk;
    std::memcpy(&chunk, elements, sizeof chunk);
    simt::store_shared(at + chunk_place(swizzle, i / 2, i % 2, first_chunk), chunk);
  }
}

// PTX ISA, figure of the fragment of A for wgmma .m64nNk16: registers alternate between the upper and lower 8 rows of a warp's
// 16; the third and fourth hold the second half of K.
template <class T>
void load_a_registers(u32 (&a)[4]) {
  const u32 row = simt::warp_index() * 16 + simt::lane_index() / 4, column = 2 * (simt::lane_index() % 4);
  for (u32 r = 0; r < 4; ++r) {
    const float* pair = &a_matrix[row + r % 2 * 8][column + r / 2 * 8];
    a[r] = encode<T>(pair[0]) | u32(encode<T>(pair[1])) << 16;
  }
}

struct Form {
  TensorSwizzle swizzle = TensorSwizzle::k128Bytes;
  bool a_in_registers = false;
  int first_chunk = 0;
};

// Twice the product: once in place of what the registers hold, once on top.
template <class T, int kN>
void multiply_twice(const Form& form) {
  store_operand<T>(at_a(), a_matrix, kRows, form.swizzle, form.first_chunk);
  store_operand<T>(at_b(), b_matrix, kN, form.swizzle, form.first_chunk);
  simt::fence_proxy_async();
  simt::syncthreads();
  const u64 a = simt::matrix_descriptor(at_a() + u32(form.first_chunk) * 16, layout_of(form.swizzle));
  const u64 b = simt::matrix_descriptor(at_b() + u32(form.first_chunk) * 16, layout_of(form.swizzle));
  float d[kN / 2];
  for (float& sum : d) sum = 77;
  u32 registers[4];
  load_a_registers<T>(registers);
  simt::wgmma_fence();
  for (const bool accumulate : {false, true}) {
    if (form.a_in_registers)
      simt::wgmma(T{}, T{}, d, registers, b, accumulate);
    else
      simt::wgmma(T{}, T{}, d, a, b, accumulate);
  }
  simt::wgmma_commit();
  simt::wgmma_wait<0>(d);
  for (int i = 0; i < kN / 2; ++i) {
    // PTX ISA, figure of the accumulators of wgmma .m64nNk16.
    const u32 row = simt::warp_index() * 16 + simt::lane_index() / 4 + u32(i / 2 % 2) * 8;
    product[row][u32(i / 4) * 8 + simt::lane_index() % 4 * 2 + u32(i % 2)] = d[i];
  }
}

template <class T, int kN>
void check_product(const Form& form) {
  for (const Order order : kOrders) {
    const Report report = run({.threads = 128, .shared_bytes = kSharedBytes}, [&] { multiply_twice<T, kN>(form); }, order);
    if (!report.clean()) fail(describe(report), __LINE__);
    CHECK_EQUAL(report.counts.wgmma, u64{2});
    CHECK_EQUAL(report.counts.macs, u64{2 * kRows * kN * kDepth});
    CHECK_EQUAL(report.counts.unspecified, u64{0});
    for (int row = 0; row < kRows; ++row) {
      for (int column = 0; column < kN; ++column) {
        double want = 0;
        for (int k = 0; k < kDepth; ++k) want += 2.0 * a_matrix[row][k] * b_matrix[column][k];
        CHECK_EQUAL(bits_of(product[row][column]), bits_of(float(want)));
      }
    }
  }
}

template <class T, int... kEighths>
void check_widths(std::integer_sequence<int, kEighths...>) {
  for (const bool registers : {false, true}) (check_product<T, 8 * (kEighths + 1)>({.a_in_registers = registers}), ...);
}

template <class T>
void check_layouts() {
  check_product<T, 72>({TensorSwizzle::kNone});
  check_product<T, 72>({TensorSwizzle::k32Bytes});
  for (const int first : {0, 2}) check_product<T, 72>({TensorSwizzle::k64Bytes, false, first});
  for (const int first : {0, 2, 4, 6}) check_product<T, 72>({TensorSwizzle::k128Bytes, false, first});
}

}  // namespace

CASE(wgmma_of_f16_of_every_width) {
  fill_operands();
  check_widths<F16>(std::make_integer_sequence<int, 32>{});
}

CASE(wgmma_of_bf16_of_every_width) {
  fill_operands();
  check_widths<BF16>(std::make_integer_sequence<int, 32>{});
}

CASE(wgmma_of_floats_in_every_layout_and_at_every_step_along_k) {
  fill_operands();
  check_layouts<F16>();
  check_layouts<BF16>();
}

CASE(wgmma_float_accumulators_written_before_the_wait) {
  expect_bug_and_clean_twin(HazardKind::kWgmma, {.threads = 128, .shared_bytes = kSharedBytes}, [](bool buggy, int& line) {
    for (u32 i = 4 * thread(); i < kSharedBytes; i += 512) simt::store_shared<u32>(simt::shared_base() + i, i);
    simt::fence_proxy_async();
    simt::syncthreads();
    const MatrixLayout layout = simt::swizzled_layout(TensorSwizzle::k128Bytes);
    float d[4] = {};
    simt::wgmma_fence();
    simt::wgmma(BF16{}, BF16{}, d, simt::matrix_descriptor(at_a(), layout), simt::matrix_descriptor(at_b(), layout), true);
    simt::wgmma_commit();
    if (buggy && thread() == 9) d[3] = 5;
    MARK(line), simt::wgmma_wait<0>(d);
  });
}

CASE(wgmma_of_negative_zeros_without_accumulators_is_open) {
  for (auto& row : a_matrix) std::fill(std::begin(row), std::end(row), 0.0f);
  for (auto& row : b_matrix) std::fill(std::begin(row), std::end(row), -1.0f);
  const Setup setup{.threads = 128, .shared_bytes = kSharedBytes};
  const Report report = run(setup, [] { multiply_twice<F16, 8>({}); });
  CHECK(report.clean());
  CHECK_EQUAL(report.counts.unspecified, u64{2 * 64 * 8});
  CHECK_EQUAL(bits_of(product[0][0]), bits_of(-0.0f));
}
