// mma.sync of floats: exact results of small integers, and a tile as its instructions one by one.
#include <algorithm>
#include <cmath>

#include "floats.hpp"

using namespace machine_tests;

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
