// Products of int8 matrices by AVX-512 VNNI, from patches to outputs in one go: neither patches nor sums reach memory.
//
//   B [N, K] --once--> panels of 64 columns: [K / 4][64 columns][4 bytes], each 128 higher, so that they are unsigned
//   rows of A --gathered--> patches --tiles of 6 rows x 64 columns--> sums --finish--> rows of the output
//
// vpdpbusd multiplies unsigned by signed bytes and adds four products to an int32, modulo 2^32. With B + 128 in the place of B
// sums are 128 * sum_k A too large, which is where they start from, below zero. What pads K meets B = 0, so it may be anything.
// Source: Intel SDM, volume 2, VPDPBUSD.
#include <cpu/finish.hpp>
#include <cpu/parallel.hpp>
#include <cpu/patches.hpp>
#include <memory>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include <ceiling/cpu_features.hpp>
#endif

namespace immabench::cpu {

#if defined(__x86_64__) && defined(__GNUC__)
namespace {

#define IMMABENCH_VNNI gnu::target("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,prefer-vector-width=512")
#define IMMABENCH_UNROLL _Pragma("GCC unroll 16")  // at once, so that arrays of vectors are registers

using simt::u64;
using simt::u8;

constexpr int kLanes = 16, kPanel = 64, kTileRows = 6, kQuad = 4;
constexpr i64 kQuadBytes = kPanel * kQuad;  // of a panel: four elements of K of all its columns
constexpr int kCacheBytes = 384 << 10;      // patches and sums of a block of rows, beside a panel, in the second cache
constexpr int kMostRows = 96, kFewRows = 16;
// What is as much work as an element's way through arithmetic: bytes that are brought into order, products.
constexpr i64 kBytesAnElement = 8, kProductsAnElement = 64;

constexpr i64 rounded_up(i64 value, i64 multiple) { return (value + multiple - 1) / multiple * multiple; }

// Bytes [0, count) of up to 64, the others zero.
[[IMMABENCH_VNNI]] inline __m512i load_bytes(const void* from, i64 count) {
  if (count >= 64) return _mm512_loadu_si512(from);
  return count <= 0 ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi8((u64{1} << count) - 1, from);
}

// Rows of 16 words become columns.
[[IMMABENCH_VNNI]] inline void transpose(__m512i (&r)[16]) {
  __m512i t[16];
  IMMABENCH_UNROLL
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]), t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  IMMABENCH_UNROLL
  for (int i = 0; i < 16; i += 4) {  // r[i + c]: in each 128 bits four rows of column 4 * lane + c
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]), r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]), r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  IMMABENCH_UNROLL
  for (int c = 0; c < 4; ++c) {
    const __m512i even = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88), odd = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xDD);
    const __m512i last_even = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    const __m512i last_odd = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xDD);
    t[c] = _mm512_shuffle_i32x4(even, last_even, 0x88), t[8 + c] = _mm512_shuffle_i32x4(even, last_even, 0xDD);
    t[4 + c] = _mm512_shuffle_i32x4(odd, last_odd, 0x88), t[12 + c] = _mm512_shuffle_i32x4(odd, last_odd, 0xDD);
  }
  IMMABENCH_UNROLL
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}

// B of every product in panels. Items are vectors of 16 columns.
struct Packing {
  const i8* b;
  u8* packed;
  i64 n, k, quads;

  i64 vectors() const { return (n + kLanes - 1) / kLanes; }
  i64 bytes() const { return (n + kPanel - 1) / kPanel * quads * kQuadBytes; }  // of a product

  [[IMMABENCH_VNNI]] void columns(const i8* b, u8* packed, i64 first) const {
    u8* to = packed + first / kPanel * quads * kQuadBytes + first % kPanel * kQuad;
    for (i64 quad = 0; quad < quads; quad += kLanes) {
      __m512i words[kLanes];
      for (int i = 0; i < kLanes; ++i) {
        const i64 there = first + i < n ? k - quad * kQuad : 0;
        const __m512i codes = load_bytes(b + (first + i) * k + quad * kQuad, there);
        words[i] = _mm512_xor_si512(codes, _mm512_set1_epi8(char(0x80)));
      }
      transpose(words);
      for (int i = 0; i < kLanes && quad + i < quads; ++i) _mm512_storeu_si512(to + (quad + i) * kQuadBytes, words[i]);
    }
  }

  static void range(const void* pass, i64 begin, i64 end) {
    const Packing& p = *static_cast<const Packing*>(pass);
    for (i64 item = begin; item < end; ++item) {
      const i64 product = item / p.vectors();
      p.columns(p.b + product * p.n * p.k, p.packed + product * p.bytes(), item % p.vectors() * kLanes);
    }
  }
};

void pack(const Packing& packing, i64 products, int threads) {
  const i64 few = std::max<i64>(1, kBytesAnElement * kLeastElements / (kLanes * packing.k));
  deal_out(&Packing::range, &packing, products * packing.vectors(), few, threads);
}

// A block of rows as the tiles read it.
struct Block {
  const i8* a;
  i64 stride, quads;  // bytes from row to row; of K
  const i32* start;   // of each row's sums
  i32* sums;          // [rows, n]
  i64 n;
};

// As an instruction, not as an intrinsic: of 24 sums in registers g++ 12 copies most to memory and back where it may.
[[IMMABENCH_VNNI, gnu::always_inline]] inline void add_products(__m512i& sums, __m512i b, __m512i codes) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(b), "v"(codes));
}

// Sums of a row of a tile: named, not an array, which g++ 12 keeps in memory.
template <int kVectors>
struct RowSums {
  __m512i v0, v1, v2, v3;

  [[IMMABENCH_VNNI, gnu::always_inline]] inline void start(i32 value) { v0 = v1 = v2 = v3 = _mm512_set1_epi32(value); }
  // With four elements of K of this row, and of the panel's columns.
  [[IMMABENCH_VNNI, gnu::always_inline]] inline void add(const i8* four, __m512i b0, __m512i b1, __m512i b2, __m512i b3) {
    i32 word;
    std::memcpy(&word, four, sizeof word);
    const __m512i codes = _mm512_set1_epi32(word);
    add_products(v0, b0, codes);
    if constexpr (kVectors > 1) add_products(v1, b1, codes);
    if constexpr (kVectors > 2) add_products(v2, b2, codes);
    if constexpr (kVectors > 2) add_products(v3, b3, codes);
  }
  [[IMMABENCH_VNNI, gnu::always_inline]] inline void store(i32* to, i64 columns) const {
    store_some(to, columns, v0);
    if constexpr (kVectors > 1) store_some(to + kLanes, columns - kLanes, v1);
    if constexpr (kVectors > 2) store_some(to + 2 * kLanes, columns - 2 * kLanes, v2);
    if constexpr (kVectors > 2) store_some(to + 3 * kLanes, columns - 3 * kLanes, v3);
  }

 private:
  [[IMMABENCH_VNNI, gnu::always_inline]] static inline void store_some(i32* to, i64 columns, __m512i values) {
    const i64 count = std::clamp<i64>(columns, 0, kLanes);
    _mm512_mask_storeu_epi32(to, __mmask16((1u << count) - 1), values);
  }
};

template <int kRows, int kVectors>
[[IMMABENCH_VNNI]] void multiply_tile(const Block& block, const u8* panel, i64 row, i64 column) {
  RowSums<kVectors> r0, r1, r2, r3, r4, r5;
  const i32* start = block.start + row;
  r0.start(start[0]);
  if constexpr (kRows > 1) r1.start(start[1]);
  if constexpr (kRows > 2) r2.start(start[2]), r3.start(start[3]), r4.start(start[4]), r5.start(start[5]);
  const i8* a = block.a + row * block.stride;
  const i64 stride = block.stride;
  for (i64 quad = 0; quad < block.quads; ++quad, a += kQuad, panel += kQuadBytes) {
    const __m512i b0 = _mm512_loadu_si512(panel), b1 = _mm512_loadu_si512(panel + 64);
    const __m512i b2 = _mm512_loadu_si512(panel + 128), b3 = _mm512_loadu_si512(panel + 192);
    r0.add(a, b0, b1, b2, b3);
    if constexpr (kRows > 1) r1.add(a + stride, b0, b1, b2, b3);
    if constexpr (kRows > 2) {
      r2.add(a + 2 * stride, b0, b1, b2, b3), r3.add(a + 3 * stride, b0, b1, b2, b3);
      r4.add(a + 4 * stride, b0, b1, b2, b3), r5.add(a + 5 * stride, b0, b1, b2, b3);
    }
  }
  i32* sums = block.sums + row * block.n + column;
  const i64 n = block.n, columns = n - column;
  r0.store(sums, columns);
  if constexpr (kRows > 1) r1.store(sums + n, columns);
  if constexpr (kRows > 2) {
    r2.store(sums + 2 * n, columns), r3.store(sums + 3 * n, columns);
    r4.store(sums + 4 * n, columns), r5.store(sums + 5 * n, columns);
  }
}

template <int kVectors>
[[IMMABENCH_VNNI]] void multiply_panel(const Block& block, const u8* panel, i64 rows, i64 column) {
  i64 row = 0;
  for (; row + kTileRows <= rows; row += kTileRows) multiply_tile<kTileRows, kVectors>(block, panel, row, column);
  for (; row + 2 <= rows; row += 2) multiply_tile<2, kVectors>(block, panel, row, column);
  for (; row < rows; ++row) multiply_tile<1, kVectors>(block, panel, row, column);
}

// -128 * the sum of a row.
[[IMMABENCH_VNNI]] i32 start_of(const i8* row, i64 bytes) {
  __m512i sum = _mm512_setzero_si512();
  for (i64 k = 0; k < bytes; k += 64) sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), load_bytes(row + k, bytes - k));
  return -128 * _mm512_reduce_add_epi32(sum);
}

[[IMMABENCH_VNNI]] void multiply_rows(const Block& block, const u8* packed, i64 rows) {
  const i64 panel_bytes = block.quads * kQuadBytes;
  for (i64 column = 0; column < block.n; column += kPanel, packed += panel_bytes) {
    const i64 columns = block.n - column;
    if (columns <= kLanes) {
      multiply_panel<1>(block, packed, rows, column);
    } else if (columns <= 2 * kLanes) {
      multiply_panel<2>(block, packed, rows, column);
    } else {
      multiply_panel<4>(block, packed, rows, column);
    }
  }
}

// Items are blocks of rows, so many of each product. The rows of all products follow each other.
struct Product {
  const ProductArguments& a;
  const u8* packed;
  i64 packed_bytes, blocks, stride;
  bool gathered;

  void operator()(i64 begin, i64 end) const {
    const i64 m = a.finish.rows, most = m / blocks + 1, n = a.finish.columns;
    const auto patches = std::make_unique_for_overwrite<i8[]>(gathered ? std::size_t(most * stride) : 0);
    const auto sums = std::make_unique_for_overwrite<i32[]>(std::size_t(most * n));
    for (i64 item = begin; item < end; ++item) {
      const i64 product = item / blocks, block = item % blocks;
      const u8* panels = packed + product * packed_bytes;
      rows(product * m + m * block / blocks, product * m + m * (block + 1) / blocks, panels, patches.get(), sums.get());
    }
  }

 private:
  void rows(i64 begin, i64 end, const u8* panels, i8* patches, i32* sums) const {
    i32 start[kMostRows];
    if (gathered) Patches{a.patches, a.patches.zero ? *at<i32>(a.patches.zero) : 0}.gather(begin, end, patches);
    const i8* from = gathered ? patches : at<i8>(a.a) + begin * a.k;
    for (i64 row = 0; row < end - begin; ++row) start[row] = start_of(from + row * stride, stride);
    multiply_rows({from, stride, stride / kQuad, start, sums, a.finish.columns}, panels, end - begin);
    FinishArguments finish = a.finish;
    finish.sums = reinterpret_cast<std::uint64_t>(sums) - std::uint64_t(begin * finish.columns) * sizeof(i32);
    Finish<i32>{finish}(begin, end);
  }
};

// Few rows, for which it does not pay to bring B into order: rows of B as they lie, against rows of A that are unsigned, of
// whole vectors. Items are columns.
struct FewRows {
  const ProductArguments& a;
  const u8* rows;  // [M, stride], each code 128 higher
  i64 stride;
  i32* sums;

  [[IMMABENCH_VNNI]] void column(i64 n) const {
    const i8* b = at<i8>(a.b) + n * a.k;
    __m512i of_b = _mm512_setzero_si512();
    for (i64 k = 0; k < a.k; k += 64) of_b = _mm512_dpbusd_epi32(of_b, _mm512_set1_epi8(1), load_bytes(b + k, a.k - k));
    const i32 start = -128 * _mm512_reduce_add_epi32(of_b);
    for (i64 m = 0; m < a.finish.rows; ++m) {
      __m512i sum = _mm512_setzero_si512();
      for (i64 k = 0; k < a.k; k += 64)
        sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(rows + m * stride + k), load_bytes(b + k, a.k - k));
      sums[m * a.finish.columns + n] = start + _mm512_reduce_add_epi32(sum);
    }
  }

  static void range(const void* pass, i64 begin, i64 end) {
    for (i64 n = begin; n < end; ++n) static_cast<const FewRows*>(pass)->column(n);
  }
};

void multiply_few(const ProductArguments& a, int threads) {
  const i64 m = a.finish.rows, n = a.finish.columns, stride = rounded_up(a.k, 64);
  std::vector<u8> rows(std::size_t(m * stride));
  std::vector<i32> sums(std::size_t(m * n));
  if (a.patches.image) {
    ProductArguments image = a;
    image.patches.row_bytes = stride;
    Patches{image.patches, a.patches.zero ? *at<i32>(a.patches.zero) : 0}.gather(0, m, reinterpret_cast<i8*>(rows.data()));
  } else {
    for (i64 i = 0; i < m; ++i) std::memcpy(rows.data() + i * stride, at<i8>(a.a) + i * a.k, std::size_t(a.k));
  }
  for (u8& code : rows) code ^= 0x80;
  const FewRows few{a, rows.data(), stride, sums.data()};
  deal_out(&FewRows::range, &few, n, std::max<i64>(1, kProductsAnElement * kLeastElements / (m * a.k)), threads);
  FinishArguments finish = a.finish;
  finish.sums = reinterpret_cast<std::uint64_t>(sums.data());
  compute(finish, threads);
}

// Of each product, so many that patches and sums stay in the second cache, and all threads have as many.
i64 blocks_of(const FinishArguments& finish, i64 bytes_each, int threads) {
  const i64 most = std::clamp<i64>(kCacheBytes / bytes_each / kTileRows * kTileRows, kTileRows, kMostRows);
  const i64 blocks = (finish.rows + most - 1) / most;
  return finish.batch % threads == 0 ? blocks : std::min(finish.rows, rounded_up(blocks, threads));
}

}  // namespace

bool can_multiply() {
  static const bool present = has_avx512_vnni();
  return present && best_instructions() == Instructions::kAvx512;
}

std::int64_t panel_bytes(std::int64_t n, std::int64_t k) {
  return Packing{nullptr, nullptr, n, k, rounded_up(k, kQuad) / kQuad}.bytes();
}

void pack_panels(std::uint64_t b, std::uint64_t panels, std::int64_t n, std::int64_t k, int threads) {
  pack({at<i8>(b), writable<u8>(panels), n, k, rounded_up(k, kQuad) / kQuad}, 1, threads);
}

void compute(const ProductArguments& given, int threads) {
  if (given.finish.batch == 1 && given.finish.rows < kFewRows) return multiply_few(given, threads);
  ProductArguments a = given;
  const bool image = a.patches.geometry.present();
  const i64 stride = rounded_up(a.k, kQuad), n = a.finish.columns;
  if (!image && stride != a.k) {  // rows that are no whole words are copied like patches of single pixels
    const int rows = int(a.finish.batch * a.finish.rows);
    a.patches = {.image = a.a, .geometry = {.images = 1, .height = 1, .width = rows, .channels = int(a.k)}};
  }
  a.patches.row_bytes = stride;
  Packing packing{at<i8>(a.b), nullptr, n, a.k, stride / kQuad};
  const auto packed = std::make_unique_for_overwrite<u8[]>(std::size_t(a.panels ? 0 : a.finish.batch * packing.bytes()));
  packing.packed = packed.get();
  if (!a.panels) pack(packing, a.finish.batch, threads);
  const i64 blocks = blocks_of(a.finish, stride + i64{sizeof(i32)} * n, threads);
  const u8* panels = a.panels ? at<u8>(a.panels) : packed.get();
  const Product product{a, panels, packing.bytes(), blocks, stride, a.patches.image != 0};
  run(product, a.finish.batch * blocks, (a.finish.rows / blocks + 1) * n * a.k / kProductsAnElement, threads);
}

#else

bool can_multiply() { return false; }
std::int64_t panel_bytes(std::int64_t, std::int64_t) { return 0; }
void pack_panels(std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, int) {}
void compute(const ProductArguments&, int) {}

#endif

}  // namespace immabench::cpu
