// Products by one set of instructions against sums one by one, in memory that ends where operands do. PRODUCT names the set; as
// kModelProduct it is the loops of vpdpbusd by what that instruction is defined to compute, for CPUs that have none.
#include <cpu/product.hpp>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#if defined(MODEL)
#define IMMABENCH_TARGET gnu::target("avx2,bmi,bmi2")
#include <cpu/vectors256.hpp>

namespace immabench::cpu {
namespace {

constexpr int kVectors = 4;  // as of the widest vectors

[[IMMABENCH_TARGET]] inline Vector bytes_of(int value) { return _mm256_set1_epi8(char(value)); }

[[IMMABENCH_INLINE]] inline void add_products(Vector& sums, Vector unsigned_codes, Vector codes) {
  simt::u32 sum[kLanes];
  u8 x[4 * kLanes];
  i8 y[4 * kLanes];
  store(sum, sums), store(x, unsigned_codes), store(y, codes);
  for (int i = 0; i < 4 * kLanes; ++i) sum[i / 4] += simt::u32(int{x[i]} * int{y[i]});
  sums = load(sum);
}

}  // namespace
}  // namespace immabench::cpu

#include <cpu/unsigned_panels.hpp>
//
#include <cpu/product_tiles.hpp>

namespace immabench::cpu {
const ProductInstructions kModelProduct = products_by_tiles("model", Instructions::kAvx2, [] { return true; }, 16);
}  // namespace immabench::cpu
#endif

using namespace immabench::cpu;
using simt::i32;
using simt::i64;
using simt::i8;

namespace {

std::mt19937 generator(7);

// Exactly so many, so that a step beyond is seen; of nothing but the lowest code now and then.
std::vector<i8> codes(i64 count) {
  std::vector<i8> drawn(static_cast<std::size_t>(count));
  const bool lowest = generator() % 5 == 0;
  for (i8& code : drawn) code = lowest ? i8(-128) : i8(generator());
  return drawn;
}

i32 product(const i8* a, const i8* b, i64 k) {
  simt::u32 sum = 0;
  for (i64 i = 0; i < k; ++i) sum += simt::u32(int{a[i]} * int{b[i]});
  return i32(sum);
}

// Rows of A as a block has them: whole quads, what lies past K any codes.
bool panels_are_exact(const ProductInstructions& by, i64 m, i64 n, i64 k) {
  const i64 stride = rounded_up(k, kQuad);
  const std::vector<i8> a = codes(m * stride), b = codes(n * k);
  std::vector<u8> panels(std::size_t(by.panel_bytes(n, k)));
  for (i64 first = 0; first < n; first += by.lanes) by.pack({b.data(), n, k, first}, panels.data());
  std::vector<i32> sums(std::size_t(m * n), 0x5A5A5A5A);
  std::vector<std::byte> scratch(std::size_t(by.row_scratch(m * stride)));
  by.multiply({a.data(), stride, m, panels.data(), n, n, sums.data(), scratch.data()});
  for (i64 i = 0; i < m * n; ++i) {
    if (sums[std::size_t(i)] != product(a.data() + i / n * stride, b.data() + i % n * k, k)) return false;
  }
  return true;
}

// Columns of some panels alone, into sums that have others beside them.
bool parts_are_exact(const ProductInstructions& by, i64 m, i64 n, i64 k) {
  const i64 stride = rounded_up(k, kQuad), first = (n - 1) / by.panel / 2 * by.panel;
  const std::vector<i8> a = codes(m * stride), b = codes(n * k);
  std::vector<u8> panels(std::size_t(by.panel_bytes(n, k)));
  for (i64 column = 0; column < n; column += by.lanes) by.pack({b.data(), n, k, column}, panels.data());
  std::vector<i32> sums(std::size_t(m * n), 0x5A5A5A5A);
  std::vector<std::byte> scratch(std::size_t(by.row_scratch(m * stride)));
  by.multiply({a.data(), stride, m, panels.data() + first * stride, n - first, n, sums.data() + first, scratch.data()});
  for (i64 i = 0; i < m * n; ++i) {
    const i32 want = i % n < first ? 0x5A5A5A5A : product(a.data() + i / n * stride, b.data() + i % n * k, k);
    if (sums[std::size_t(i)] != want) return false;
  }
  return true;
}

bool few_rows_are_exact(const ProductInstructions& by, i64 m, i64 n, i64 k) {
  const std::vector<i8> a = codes(m * k), b = codes(n * k);
  std::vector<std::byte> rows(std::size_t(m * by.row_bytes(k)));
  for (i64 row = 0; row < m; ++row) by.prepare(a.data() + row * k, k, rows.data() + row * by.row_bytes(k));
  std::vector<i32> sums(std::size_t(m * n), 0x5A5A5A5A);
  for (i64 column = 0; column < n; ++column) by.dot({rows.data(), m, k, b.data() + column * k, sums.data() + column, n});
  for (i64 i = 0; i < m * n; ++i) {
    if (sums[std::size_t(i)] != product(a.data() + i / n * k, b.data() + i % n * k, k)) return false;
  }
  return true;
}

}  // namespace

int main() {
  const ProductInstructions& by = PRODUCT;
  if (!by.present()) return std::puts("absent"), 77;
  for (const i64 m : {1, 2, 3, 4, 5, 6, 7, 8, 13, 96}) {
    for (const i64 n : {1, 7, 8, 9, 15, 16, 17, 31, 33, 65}) {
      for (const i64 k : {1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 65, 130}) {
        if (panels_are_exact(by, m, n, k) && parts_are_exact(by, m, n, k) && few_rows_are_exact(by, m, n, k)) continue;
        return std::printf("%s: %ld x %ld x %ld is not exact\n", by.name, long(m), long(n), long(k)), 1;
      }
    }
  }
}
