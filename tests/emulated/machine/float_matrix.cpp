// Floating-point matrix instructions: exact results, and the count of those that PTX leaves open, which must hold every result
// that another order of summation would change.
#include <algorithm>
#include <array>
#include <bit>
#include <random>
#include <vector>

#include <simt/host/exact_sum.hpp>
#include <simt/host/float_product.hpp>

#include "harness.hpp"

using namespace machine_tests;
using simt::BF16;
using simt::F16;
using simt::MatrixLayout;
using simt::TensorSwizzle;
using simt::u16;
using simt::u64;

namespace {

constexpr int kDepth = simt::host::kFloatDepth;
using Elements = std::array<u16, kDepth>;

std::mt19937 generator(29);
int random_int(int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); }

template <class T>
u16 encode(float value) {
  return u16(std::is_same_v<T, F16> ? simt::pack_f16x2(value, 0) : simt::pack_bf16x2(value, 0));
}

u32 bits_of(float value) { return std::bit_cast<u32>(value); }

// ---- wgmma, against plain sums of small numbers, which no order changes

constexpr int kRows = 64;
constexpr u32 kSharedBytes = 64 << 10;
constexpr u32 kOperandB = 16 << 10;  // within shared memory; both operands start on the swizzle's whole pattern

u32 thread() { return simt::thread_index(); }
u32 at_a() { return simt::shared_base(); }
u32 at_b() { return simt::shared_base() + kOperandB; }

float a_matrix[kRows][kDepth], b_matrix[256][kDepth], product[kRows][256];

// Multiples of 1/8 below 16, and integers below 128: sums of 33 products are multiples of 1/8 below 2^17.
void fill_operands() {
  for (auto& row : a_matrix)
    for (float& value : row) value = float(random_int(-127, 127)) / 8;
  for (auto& row : b_matrix)
    for (float& value : row) value = float(random_int(-127, 127));
}

// The address of 16 bytes of an operand, stated apart from the descriptor; see warpgroups.cpp.
u32 chunk_place(TensorSwizzle swizzle, int row, int chunk, int first_chunk) {
  if (swizzle == TensorSwizzle::kNone) return u32(row / 8 * 256 + chunk * 128 + row % 8 * 16);
  const u32 span = u32(swizzle_span(swizzle)), offset = u32(row) * span + u32(chunk + first_chunk) * 16;
  return offset / 128 * 128 + ((offset / 16 % 8) ^ (offset / 128 % (span / 16))) * 16;
}

MatrixLayout layout_of(TensorSwizzle swizzle) {
  if (swizzle == TensorSwizzle::kNone) return {swizzle, 256, 128};
  return simt::swizzled_layout(swizzle);
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

// ---- mma.sync

namespace {

// Registers of one instruction, of integers in [-8, 7] in A and B.
template <class T>
struct Registers {
  u32 a[32][4], b[32][2];
  float c[32][4], d[32][4];

  Registers() {
    for (int lane = 0; lane < 32; ++lane) {
      for (u32& word : a[lane]) word = small_pair();
      for (u32& word : b[lane]) word = small_pair();
      for (float& value : c[lane]) value = float(random_int(-1000000, 1000000));
    }
  }
  static u32 small_pair() { return encode<T>(float(random_int(-8, 7))) | u32(encode<T>(float(random_int(-8, 7)))) << 16; }
};

template <class T>
double value_of(u32 word, int half) {
  const u32 element = word >> 16 * half & 0xFFFF;
  if constexpr (std::is_same_v<T, BF16>) return std::bit_cast<float>(element << 16);
  const int exponent = int(element >> 10 & 31), mantissa = int(element & 1023);
  const double magnitude = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
  return element & 0x8000 ? -magnitude : magnitude;
}

// PTX ISA, "Matrix fragments for mma.m16n8k16 with floating point type".
template <class T>
double plain_sum(const Registers<T>& r, int row, int column, double sum) {
  for (int k = 0; k < kDepth; ++k) {
    const int quad = k % 8 / 2, upper = k / 8;
    sum += value_of<T>(r.a[row % 8 * 4 + quad][row / 8 + 2 * upper], k % 2) * value_of<T>(r.b[column * 4 + quad][upper], k % 2);
  }
  return sum;
}

template <class T>
void expect_mma(int line) {
  for (const Order order : kOrders) {
    Registers<T> r;
    const Report report = run(
        {},
        [&] {
          const u32 lane = simt::lane_index();
          std::copy_n(r.c[lane], 4, r.d[lane]);
          simt::mma(T{}, T{}, r.d[lane], r.a[lane], r.b[lane]);
        },
        order);
    if (!report.clean()) fail(describe(report), line);
    if (report.counts.mma != 1 || report.counts.macs != 16 * 8 * 16 || report.counts.unspecified) fail("counts", line);
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
        const auto want = float(plain_sum(r, row, column, r.c[lane][i]));
        if (r.d[lane][i] != want) fail("row " + std::to_string(row) + " column " + std::to_string(column), line);
      }
    }
  }
}

}  // namespace

CASE(mma_16_bit_floats) {
  expect_mma<F16>(__LINE__);
  expect_mma<BF16>(__LINE__);
}

CASE(mma_tile_of_floats_is_the_instructions_one_by_one) {
  constexpr int kTileRows = 3, kColumns = 2;
  static float tile[32][kTileRows][kColumns][4], single[32][kTileRows][kColumns][4];
  static u32 a[32][kTileRows][4], b[32][kColumns][2];
  for (auto& lane : a)
    for (auto& fragment : lane)
      for (u32& word : fragment) word = generator();
  for (auto& lane : b)
    for (auto& fragment : lane)
      for (u32& word : fragment) word = generator();
  u64 unspecified[2];
  for (const bool tiled : {false, true}) {
    const Report report = run({}, [&] {
      const u32 lane = simt::lane_index();
      if (tiled) return simt::mma_tile(F16{}, F16{}, tile[lane], a[lane], b[lane]);
      for (int i = 0; i < kTileRows; ++i)
        for (int j = 0; j < kColumns; ++j) simt::mma(F16{}, F16{}, single[lane][i][j], a[lane][i], b[lane][j]);
    });
    CHECK(report.clean());
    CHECK_EQUAL(report.counts.mma, u64(kTileRows * kColumns));
    unspecified[tiled] = report.counts.unspecified;
  }
  CHECK(!std::memcmp(tile, single, sizeof tile));
  CHECK_EQUAL(unspecified[0], unspecified[1]);
}

// ---- what an instruction makes of one row and one column, and which results it calls open

namespace {

struct Result {
  float value;
  bool open;
};

using Product = u64 (*)(const simt::host::FloatMatrix&, const simt::host::FloatMatrix&, u32*, int, int);

// The result of an instruction whose rows, columns and accumulators are all the same, by both ways to compute it.
Result multiply(simt::host::FloatType type, const Elements& a, const Elements& b, float accumulator) {
  static simt::host::FloatStorage<4> rows;
  static simt::host::FloatStorage<8> columns;
  for (int line = 0; line < 4; ++line) set_line(rows.rows(), type, line, a.data());
  for (int line = 0; line < 8; ++line) set_line(columns.columns(8), type, line, b.data());
  Result results[2];
  for (const bool portable : {false, true}) {
    u32 d[4 * 8];
    std::fill(std::begin(d), std::end(d), bits_of(accumulator));
    const Product product = portable ? simt::host::add_float_product_portable : simt::host::add_float_product;
    const u64 open = product(rows.rows(), columns.columns(8), d, 4, 8);
    CHECK(open == 0 || open == std::size(d));
    CHECK(std::count(std::begin(d), std::end(d), d[0]) == std::ssize(d));
    results[portable] = {std::bit_cast<float>(d[0]), open > 0};
  }
  CHECK_EQUAL(bits_of(results[0].value), bits_of(results[1].value));
  CHECK_EQUAL(results[0].open, results[1].open);
  return results[0];
}

template <class T>
Result multiply(std::vector<float> a, std::vector<float> b, float accumulator = 0) {
  Elements left{}, right{};
  std::transform(a.begin(), a.end(), left.begin(), encode<T>);
  std::transform(b.begin(), b.end(), right.begin(), encode<T>);
  return multiply({T::kExponentBits}, left, right, accumulator);
}

void expect(const Result& got, float value, bool open, std::source_location caller = std::source_location::current()) {
  if (bits_of(got.value) != bits_of(value) || got.open != open) {
    fail("got " + std::to_string(got.value) + (got.open ? ", open" : ", determined"), caller.line());
  }
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNaN = std::bit_cast<float>(0x7FFFFFFFu);

}  // namespace

CASE(float_products_that_another_order_would_change_are_open) {
  // 2^24 + 1 - 2^24: 0 from left to right in fp32. At 2^22 each partial sum is exact, whatever the order.
  expect(multiply<F16>({4096, 1, -4096}, {4096, 1, 4096}), 1, true);
  expect(multiply<F16>({2048, 1, -2048}, {2048, 1, 2048}), 1, false);
  expect(multiply<BF16>({4096, 1, -4096}, {4096, 1, 4096}), 1, true);
  expect(multiply<F16>({1}, {1}, 0x1p23f), 0x1p23f + 1, false);
  expect(multiply<F16>({1}, {1}, 0x1p24f), 0x1p24f, true);
  // What the accumulator and the products are multiples of decides, not their size.
  expect(multiply<BF16>({0x1p60f}, {0x1p60f}, 0x1p121f), 0x1.8p121f, false);
  expect(multiply<F16>({1}, {1}, 0x1p-23f), 1 + 0x1p-23f, false);
  expect(multiply<F16>({1}, {1}, 0x1p-24f), 1, true);
}

CASE(float_products_round_once) {
  expect(multiply<F16>({3}, {1}, 0x1p24f), 0x1p24f + 4, true);
  // Halfway between two fp32 numbers, but for one bit that float64 cannot hold beside the others.
  expect(multiply<BF16>({1, 0x1p-30f}, {1, 0x1p-30f}, 0x1p24f), 0x1p24f + 2, true);
  expect(multiply<BF16>({1, -0x1p-30f}, {1, 0x1p-30f}, 0x1p24f), 0x1p24f, true);
  expect(multiply<BF16>({0x1p60f, 1, -0x1p60f}, {0x1p60f, 1, 0x1p60f}, 0.5f), 1.5f, true);
}

CASE(float_products_of_subnormals_infinities_and_nans_are_open) {
  expect(multiply<F16>({0x1p-24f}, {1}), 0x1p-24f, true);
  expect(multiply<F16>({0x1p-14f}, {1}), 0x1p-14f, false);
  expect(multiply<BF16>({0x1p-130f}, {0x1p10f}), 0x1p-120f, true);
  expect(multiply<BF16>({0x1p-70f}, {0x1p-70f}), 0x1p-140f, true);
  expect(multiply<BF16>({0x1p-80f}, {0x1p-80f}), 0, true);
  expect(multiply<F16>({0}, {1}, 0x1p-149f), 0x1p-149f, true);
  expect(multiply<BF16>({0x1p64f}, {0x1p64f}), kInfinity, true);
  expect(multiply<BF16>({0x1p64f}, {0x1p63f}), 0x1p127f, false);
  expect(multiply<F16>({kInfinity}, {-1}), -kInfinity, true);
  expect(multiply<F16>({kInfinity, kInfinity}, {1, -1}), kNaN, true);
  expect(multiply<F16>({kInfinity}, {0}), kNaN, true);
  expect(multiply<BF16>({std::bit_cast<float>(0xFF810000u)}, {1}), kNaN, true);
  expect(multiply<F16>({1}, {1}, kInfinity), kInfinity, true);
}

CASE(float_products_of_zeros) {
  expect(multiply<F16>({0}, {0}), 0, false);
  expect(multiply<F16>({3, -3}, {5, 5}), 0, false);
  expect(multiply<F16>({0}, {-1}), 0, false);
  // Every addend is -0: so is the sum in IEEE 754, while an adder of fixed-point numbers would lose the sign.
  Elements negative, positive;
  negative.fill(encode<F16>(-0.0f));
  positive.fill(encode<F16>(1));
  expect(multiply({F16::kExponentBits}, negative, positive, -0.0f), -0.0f, true);
  expect(multiply({F16::kExponentBits}, negative, positive, 0.0f), 0, false);
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

// ---- at random

namespace {

// `significant` bits times a power of two from `low` to `high`.
float random_float(int significant, int low, int high) {
  const int limit = (1 << significant) - 1;
  return std::ldexp(float(random_int(-limit, limit)), random_int(low, high));
}

// In units of 2^-60, which all that random_float() is asked for here are multiples of.
float rounded_from_integers(const std::vector<float>& addends) {
  __int128 sum = 0;
  for (const float addend : addends) sum += static_cast<__int128>(std::ldexp(double(addend), 60));
  return std::ldexp(static_cast<float>(sum), -60);
}

float sum_in_order(const std::vector<float>& addends) {
  float sum = addends[0];
  for (std::size_t i = 1; i < addends.size(); ++i) sum += addends[i];
  return sum;
}

float sum_of_pairs(std::vector<float> addends) {
  while (addends.size() > 1) {
    for (std::size_t i = 0; i < addends.size() / 2; ++i) addends[i] = addends[2 * i] + addends[2 * i + 1];
    if (addends.size() % 2) addends[addends.size() / 2] = addends.back();
    addends.resize((addends.size() + 1) / 2);
  }
  return addends[0];
}

// As tensor cores were found to add (Fasi et al. 2021): addends aligned to the largest one and cut off behind 24 bits of it.
float sum_aligned(const std::vector<float>& addends) {
  float largest = 0;
  for (const float addend : addends) largest = std::max(largest, std::fabs(addend));
  if (largest == 0) return 0;
  const int unit = std::ilogb(largest) - 23;
  double sum = 0;
  for (const float addend : addends) sum += std::trunc(std::ldexp(double(addend), -unit));
  return std::ldexp(float(sum), unit);
}

// What fp32 hardware might make of it, by several orders and by one kind of truncation.
std::vector<float> other_sums(std::vector<float> addends) {
  std::vector<float> sums{sum_in_order(addends), sum_of_pairs(addends), sum_aligned(addends)};
  for (int i = 0; i < 6; ++i) {
    std::shuffle(addends.begin(), addends.end(), generator);
    sums.push_back(sum_in_order(addends));
  }
  return sums;
}

// Of `kTrials` random results: all are the exact sum rounded, and those that any other sum differs from are open.
template <class T>
void search() {
  constexpr int kTrials = 20000;
  constexpr bool kF16 = std::is_same_v<T, F16>;
  int determined = 0, differing = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const int significant = random_int(1, kF16 ? 11 : 8), spread = random_int(0, kF16 ? 18 : 40);
    const int low = kF16 ? -14 : -30, high = std::min(low + spread, kF16 ? 4 : 10);
    std::vector<float> a(kDepth), b(kDepth), addends;
    for (int k = 0; k < kDepth; ++k) {
      a[std::size_t(k)] = random_float(significant, low, high), b[std::size_t(k)] = random_float(significant, low, high);
      addends.push_back(a[std::size_t(k)] * b[std::size_t(k)]);
    }
    addends.push_back(random_float(random_int(1, 24), 2 * low, 2 * low + spread / 2));
    const Result got = multiply<T>(a, b, addends.back());
    CHECK_EQUAL(got.value, rounded_from_integers(addends));
    const std::vector<float> others = other_sums(addends);
    const bool differs = std::any_of(others.begin(), others.end(), [&](float sum) { return sum != got.value; });
    if (differs && !got.open) fail("trial " + std::to_string(trial) + " has another sum and is called determined", __LINE__);
    determined += !got.open, differing += differs;
  }
  std::printf("%d determined, %d differ\n", determined, differing);
  CHECK(determined > kTrials / 10);
  CHECK(differing > kTrials / 10);
}

}  // namespace

CASE(float_products_at_random_of_f16) { search<F16>(); }
CASE(float_products_at_random_of_bf16) { search<BF16>(); }

CASE(float_products_of_random_bits_are_the_same_without_vector_instructions) {
  static simt::host::FloatStorage<16> rows;
  static simt::host::FloatStorage<24> columns;
  for (int trial = 0; trial < 200; ++trial) {
    const simt::host::FloatType type{trial % 2 ? 5 : 8};
    const u32 mask = trial % 4 < 2 ? 0xFFFF : 0xBFFF;  // all numbers, and those below 2 alone
    Elements line;
    const auto random_line = [&] {
      return std::generate(line.begin(), line.end(), [&] { return u16(generator() & mask); }), line.data();
    };
    for (int i = 0; i < 16; ++i) set_line(rows.rows(), type, i, random_line());
    for (int i = 0; i < 24; ++i) set_line(columns.columns(24), type, i, random_line());
    std::array<u32, 16 * 24> vector, portable;
    for (u32& word : vector) word = generator() & (mask << 16 | 0xFFFF);
    portable = vector;
    const u64 open = add_float_product(rows.rows(), columns.columns(24), vector.data(), 16, 24);
    CHECK_EQUAL(add_float_product_portable(rows.rows(), columns.columns(24), portable.data(), 16, 24), open);
    CHECK(vector == portable);
  }
}

CASE(exact_sums) {
  using simt::host::rounded_sum;
  const auto sum = [](std::vector<double> addends) { return bits_of(rounded_sum(addends)); };
  CHECK_EQUAL(sum({0x1p200, 1, -0x1p200}), bits_of(1));
  CHECK_EQUAL(sum({1, 0x1p-24, 0x1p-200}), bits_of(1 + 0x1p-23f));
  CHECK_EQUAL(sum({1, 0x1p-24, -0x1p-200}), bits_of(1));
  CHECK_EQUAL(sum({1, 0x1p-24}), bits_of(1));
  CHECK_EQUAL(sum({0x1p-149, 0x1p-150, 0x1p-260}), bits_of(0x1p-148f));
  CHECK_EQUAL(sum({-0x1p-150}), bits_of(-0.0f));
  CHECK_EQUAL(sum({0x1.FFFFFEp127, 0x1p103, -0x1p-200}), bits_of(0x1.FFFFFEp127f));
  CHECK_EQUAL(sum({0x1.FFFFFEp127, 0x1p103}), bits_of(kInfinity));
  CHECK_EQUAL(sum({-0.0, -0.0}), bits_of(-0.0f));
  CHECK_EQUAL(sum({kInfinity, -kInfinity}), 0x7FFFFFFFu);
}
