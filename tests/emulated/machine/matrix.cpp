// Matrix instructions against the plain sum over k, with operands packed by the PTX fragment formulas written out here.
#include <random>

#include "harness.hpp"

using namespace machine_tests;
using simt::i32;

namespace {

std::mt19937 generator(11);

// Element `index` of a word holding elements of `bits` bits.
int element(u32 word, int index, int bits, bool is_signed) {
  const u32 raw = word >> bits * index & ((1u << bits) - 1);
  return is_signed && raw >> (bits - 1) ? int(raw) - (1 << bits) : int(raw);
}

struct Registers {
  u32 a[32][4], b[32][2];
  i32 c[32][4], d[32][4];
};

Registers random_registers() {
  Registers r;
  for (int lane = 0; lane < 32; ++lane) {
    for (u32& word : r.a[lane]) word = generator();
    for (u32& word : r.b[lane]) word = generator();
    for (i32& value : r.c[lane]) value = i32(generator());
  }
  // Extremes: all elements -1, the most negative, the largest.
  r.a[5][0] = 0xFFFFFFFF, r.a[6][0] = 0x80808080, r.a[7][0] = 0x7F7F7F7F, r.b[8][0] = 0x88888888, r.b[9][0] = 0x77777777;
  return r;
}

// The PTX ISA's "Matrix fragments for mma.m16n8kX": row = lane / 4 (+ 8 for odd registers), k = lane % 4 * E + i (+ half of K
// for the upper registers), E elements a register.
int a_at(const Registers& r, int registers, int bits, bool is_signed, int row, int k) {
  const int e = 32 / bits, half = 4 * e;
  const int reg = (row >= 8) + (registers == 4 && k >= half ? 2 : 0);
  return element(r.a[row % 8 * 4 + k % half / e][reg], k % e, bits, is_signed);
}
int b_at(const Registers& r, int bits, bool is_signed, int column, int k) {
  const int e = 32 / bits, half = 4 * e;
  return element(r.b[column * 4 + k % half / e][k / half], k % e, bits, is_signed);
}

template <class A, class B, int kRegisters>
void expect_mma(int line) {
  for (const Order order : kOrders) {
    Registers r = random_registers();
    const Report report = run(
        {},
        [&] {
          const u32 lane = simt::lane_index();
          i32 d[4];
          u32 a[kRegisters], b[kRegisters / 2];
          for (int i = 0; i < 4; ++i) d[i] = r.c[lane][i];
          for (int i = 0; i < kRegisters; ++i) a[i] = r.a[lane][i];
          for (int i = 0; i < kRegisters / 2; ++i) b[i] = r.b[lane][i];
          simt::mma(A{}, B{}, d, a, b);
          for (int i = 0; i < 4; ++i) r.d[lane][i] = d[i];
        },
        order);
    if (!report.clean()) fail(describe(report), line);
    const int k_extent = kRegisters * 2 * (32 / A::kBits);
    if (report.counts.mma != 1 || report.counts.macs != u32(16 * 8 * k_extent)) fail("counts", line);
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
        u32 sum = u32(r.c[lane][i]);
        for (int k = 0; k < k_extent; ++k) {
          sum += u32(a_at(r, kRegisters, A::kBits, A::kSigned, row, k) * b_at(r, B::kBits, B::kSigned, column, k));
        }
        if (u32(r.d[lane][i]) != sum) fail("row " + std::to_string(row) + " column " + std::to_string(column), line);
      }
    }
  }
}

template <simt::BitOperation kOperation>
void expect_mma_b1(int line) {
  Registers r = random_registers();
  const Report report = run({}, [&] {
    const u32 lane = simt::lane_index();
    for (int i = 0; i < 4; ++i) r.d[lane][i] = r.c[lane][i];
    simt::mma_b1<kOperation>(r.d[lane], r.a[lane], r.b[lane]);
  });
  if (!report.clean() || report.counts.mma != 1) fail(describe(report), line);
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
      u32 sum = u32(r.c[lane][i]);
      for (int k = 0; k < 256; ++k) {
        const int left = a_at(r, 4, 1, false, row, k), right = b_at(r, 1, false, column, k);
        sum += u32(kOperation == simt::BitOperation::kXor ? left ^ right : left & right);
      }
      if (u32(r.d[lane][i]) != sum) fail("row " + std::to_string(row) + " column " + std::to_string(column), line);
    }
  }
}

}  // namespace

CASE(mma_8_bit) {
  using namespace simt;
  expect_mma<S8, S8, 4>(__LINE__), expect_mma<S8, U8, 4>(__LINE__), expect_mma<U8, S8, 4>(__LINE__),
      expect_mma<U8, U8, 4>(__LINE__);
  expect_mma<S8, S8, 2>(__LINE__), expect_mma<S8, U8, 2>(__LINE__), expect_mma<U8, S8, 2>(__LINE__),
      expect_mma<U8, U8, 2>(__LINE__);
}

CASE(mma_4_bit) {
  using namespace simt;
  expect_mma<S4, S4, 4>(__LINE__), expect_mma<S4, U4, 4>(__LINE__), expect_mma<U4, S4, 4>(__LINE__),
      expect_mma<U4, U4, 4>(__LINE__);
  expect_mma<S4, S4, 2>(__LINE__), expect_mma<S4, U4, 2>(__LINE__), expect_mma<U4, S4, 2>(__LINE__),
      expect_mma<U4, U4, 2>(__LINE__);
}

CASE(mma_1_bit) {
  expect_mma_b1<simt::BitOperation::kXor>(__LINE__);
  expect_mma_b1<simt::BitOperation::kAnd>(__LINE__);
}

namespace {

template <class A, class B>
void expect_tile(int line) {
  constexpr int kRows = 3, kColumns = 2;
  static i32 tile[32][kRows][kColumns][4], single[32][kRows][kColumns][4];
  static u32 a[32][kRows][4], b[32][kColumns][2];
  for (auto& lane : a)
    for (auto& fragment : lane)
      for (u32& word : fragment) word = generator();
  for (auto& lane : b)
    for (auto& fragment : lane)
      for (u32& word : fragment) word = generator();
  const Report report = run({}, [] {
    const u32 lane = simt::lane_index();
    simt::mma_tile(A{}, B{}, tile[lane], a[lane], b[lane]);
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < kColumns; ++j) simt::mma(A{}, B{}, single[lane][i][j], a[lane][i], b[lane][j]);
  });
  if (!report.clean() || report.counts.mma != simt::u64(2 * kRows * kColumns)) fail(describe(report), line);
  if (!std::equal(&tile[0][0][0][0], &tile[0][0][0][0] + sizeof tile / 4, &single[0][0][0][0])) fail("sums", line);
}

}  // namespace

CASE(mma_tile_is_the_instructions_one_by_one) {
  expect_tile<simt::S8, simt::U8>(__LINE__);
  expect_tile<simt::S4, simt::S4>(__LINE__);
  expect_tile<simt::B1, simt::B1>(__LINE__);
}

CASE(ldmatrix_deals_out_rows) {
  // Element (row, column) of matrix m is m * 64 + row * 8 + column; lane l holds (l / 4, 2 (l % 4)) and its right neighbour,
  // or, transposed, the elements with row and column exchanged.
  static u32 plain[32][4], transposed[32][4], two[32][2], one[32][1];
  expect_clean({.shared_bytes = 512}, [] {
    const u32 lane = simt::lane_index(), row = simt::shared_base() + 16 * lane;
    for (u32 pair = 0; pair < 4; ++pair)
      simt::store_shared<u32>(row + 4 * pair, (8 * lane + 2 * pair) | (8 * lane + 2 * pair + 1) << 16);
    simt::syncwarp();
    simt::ldmatrix(plain[lane], row);
    simt::ldmatrix_transposed(transposed[lane], row);
    simt::ldmatrix(two[lane], simt::shared_base() + 16 * (lane % 16));
    simt::ldmatrix_transposed(one[lane], simt::shared_base() + 16 * (lane % 8));
  });
  for (u32 lane = 0; lane < 32; ++lane) {
    const u32 row = lane / 4, column = 2 * (lane % 4);
    for (u32 m = 0; m < 4; ++m) {
      const u32 base = 64 * m;
      CHECK_EQUAL(plain[lane][m], (base + 8 * row + column) | (base + 8 * row + column + 1) << 16);
      CHECK_EQUAL(transposed[lane][m], (base + 8 * column + row) | (base + 8 * (column + 1) + row) << 16);
      if (m < 2) CHECK_EQUAL(two[lane][m], plain[lane][m]);
    }
    CHECK_EQUAL(one[lane][0], transposed[lane][0]);
  }
}
