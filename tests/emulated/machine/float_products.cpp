// What a floating-point matrix instruction makes of one row and one column: the exact sum rounded once, and which results it
// counts as open, among which every one must be that another order of summation would change.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <simt/host/exact_sum.hpp>

#include "floats.hpp"

using namespace machine_tests;

namespace {

using Elements = std::array<u16, kDepth>;

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
