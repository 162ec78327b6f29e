// The loops of products, for any vectors. Included by one file for each set of instructions, after that has defined
//
//   IMMABENCH_TARGET          the attribute that has a function compiled for them
//   Vector, kLanes            of int32
//   kVectors                  that hold a row's sums in a tile; with a row of codes and the panel they are all registers
//   kPairs                    whether a vector holds a column's sums in two lanes, so that two vectors make one
//   Code                      an element of A as tiles read it
//   zeros load store_lanes add_products total transpose      steps of vectors
//   load_bytes codes_of_b     some bytes, the others zero; elements of B as `add_products` takes them
//   broadcast_quad            kQuad elements of A, in the place of those of every column
//   columns_of                a vector of a panel
//   to_panel, start_of        what stands for B's codes in panels, and what the sum of such products starts from
//   codes_of                  the rows of A of a block, as Code
//   PreparedCode prepare      the same for few rows, where A changes and B lies as it is; sums start from `start_of` B then
//
// All of it has internal linkage: no linker may take one set's function for another's.
#pragma once
#include <cpu/product.hpp>

namespace immabench::cpu {
namespace {

constexpr int kTileRows = 6;
constexpr int kPanel = kPairs ? kVectors * kLanes / 2 : kVectors * kLanes;  // columns
constexpr i64 kQuadBytes = kPanel * kQuad;                                  // of a panel
constexpr int kPreparedElements = sizeof(Vector) / sizeof(PreparedCode);

[[IMMABENCH_TARGET]] void pack(const ProductColumns& c, u8* panels) {
  const i64 quads = rounded_up(c.k, kQuad) / kQuad;
  u8* to = panels + c.first / kPanel * quads * kQuadBytes + c.first % kPanel * kQuad;
  for (i64 quad = 0; quad < quads; quad += kLanes) {
    Vector words[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      const i64 there = c.first + i < c.n ? c.k - quad * kQuad : 0;
      words[i] = to_panel(load_bytes(c.b + (c.first + i) * c.k + quad * kQuad, there));
    }
    transpose(words);
    for (int i = 0; i < kLanes && quad + i < quads; ++i) store(to + (quad + i) * kQuadBytes, words[i]);
  }
}

struct Tiles {
  const Code* a;
  i64 stride, quads;  // elements from row to row; of K
  const i32* start;   // of each row's sums
  i32* sums;          // [rows, n], columns of which are written
  i64 columns, n;
};

// Sums of a row of a tile: named, not an array, which g++ 12 keeps in memory.
template <int kCount>
struct RowSums {
  Vector v0, v1, v2, v3;

  [[IMMABENCH_INLINE]] inline void start(i32 value) { v0 = v1 = v2 = v3 = broadcast(value); }
  // With four elements of K of this row, and of the panel's columns.
  [[IMMABENCH_INLINE]] inline void add(const Code* four, Vector b0, Vector b1, Vector b2, Vector b3) {
    const Vector codes = broadcast_quad(four);
    add_products(v0, b0, codes);
    if constexpr (kCount > 1) add_products(v1, b1, codes);
    if constexpr (kCount > 2) add_products(v2, b2, codes);
    if constexpr (kCount > 2) add_products(v3, b3, codes);
  }
  [[IMMABENCH_INLINE]] inline void write(i32* to, i64 columns) const {
    if constexpr (kPairs) return store_lanes(to, columns, folded(v0, v1));
    store_lanes(to, columns, v0);
    if constexpr (kCount > 1) store_lanes(to + kLanes, columns - kLanes, v1);
    if constexpr (kCount > 2) store_lanes(to + 2 * kLanes, columns - 2 * kLanes, v2);
    if constexpr (kCount > 2) store_lanes(to + 3 * kLanes, columns - 3 * kLanes, v3);
  }
};

template <int kRows, int kCount>
[[IMMABENCH_TARGET]] void multiply_tile(const Tiles& tiles, const u8* panel, i64 row, i64 column) {
  RowSums<kCount> r0, r1, r2, r3, r4, r5;
  const i32* start = tiles.start + row;
  r0.start(start[0]);
  if constexpr (kRows > 1) r1.start(start[1]);
  if constexpr (kRows > 2) r2.start(start[2]), r3.start(start[3]), r4.start(start[4]), r5.start(start[5]);
  const Code* a = tiles.a + row * tiles.stride;
  const i64 stride = tiles.stride;
  for (i64 quad = 0; quad < tiles.quads; ++quad, a += kQuad, panel += kQuadBytes) {
    const Vector b0 = columns_of(panel, 0), b1 = columns_of(panel, 1);
    const Vector b2 = kCount > 2 ? columns_of(panel, 2) : b0, b3 = kCount > 2 ? columns_of(panel, 3) : b0;
    r0.add(a, b0, b1, b2, b3);
    if constexpr (kRows > 1) r1.add(a + stride, b0, b1, b2, b3);
    if constexpr (kRows > 2) {
      r2.add(a + 2 * stride, b0, b1, b2, b3), r3.add(a + 3 * stride, b0, b1, b2, b3);
      r4.add(a + 4 * stride, b0, b1, b2, b3), r5.add(a + 5 * stride, b0, b1, b2, b3);
    }
  }
  const i64 n = tiles.n, columns = tiles.columns - column;
  i32* sums = tiles.sums + row * n + column;
  r0.write(sums, columns);
  if constexpr (kRows > 1) r1.write(sums + n, columns);
  if constexpr (kRows > 2) {
    r2.write(sums + 2 * n, columns), r3.write(sums + 3 * n, columns);
    r4.write(sums + 4 * n, columns), r5.write(sums + 5 * n, columns);
  }
}

template <int kCount>
[[IMMABENCH_TARGET]] void multiply_panel(const Tiles& tiles, const u8* panel, i64 rows, i64 column) {
  i64 row = 0;
  for (; row + kTileRows <= rows; row += kTileRows) multiply_tile<kTileRows, kCount>(tiles, panel, row, column);
  for (; row + 2 <= rows; row += 2) multiply_tile<2, kCount>(tiles, panel, row, column);
  for (; row < rows; ++row) multiply_tile<1, kCount>(tiles, panel, row, column);
}

[[IMMABENCH_TARGET]] void multiply(const ProductBlock& block) {
  i32 start[kMostRows];
  for (i64 row = 0; row < block.rows; ++row) start[row] = start_of(block.a + row * block.stride, block.stride);
  const Tiles tiles{codes_of(block), block.stride, block.stride / kQuad, start, block.sums, block.columns, block.n};
  const u8* panel = block.panels;
  for (i64 column = 0; column < block.columns; column += kPanel, panel += tiles.quads * kQuadBytes) {
    const i64 columns = block.columns - column;
    if (!kPairs && columns <= kLanes) {
      multiply_panel<1>(tiles, panel, block.rows, column);
    } else if (kVectors == 2 || columns <= 2 * kLanes) {
      multiply_panel<2>(tiles, panel, block.rows, column);
    } else {
      multiply_panel<kVectors>(tiles, panel, block.rows, column);
    }
  }
}

// kRows rows of A against a row of B, which is brought into registers once.
template <int kRows>
[[IMMABENCH_TARGET]] void dot_rows(const ProductColumn& c, i64 row, i32 start) {
  const i64 stride = rounded_up(c.k, kVectorBytes);
  const PreparedCode* rows = reinterpret_cast<const PreparedCode*>(c.rows) + row * stride;
  Vector s0 = zeros(), s1 = zeros(), s2 = zeros(), s3 = zeros();
  for (i64 k = 0; k < c.k; k += kPreparedElements, rows += kPreparedElements) {
    const Vector b = codes_of_b(c.b + k, c.k - k);
    add_products(s0, load(rows), b);
    if constexpr (kRows > 1) {
      add_products(s1, load(rows + stride), b), add_products(s2, load(rows + 2 * stride), b);
      add_products(s3, load(rows + 3 * stride), b);
    }
  }
  i32* sums = c.sums + row * c.stride;
  sums[0] = start + total(s0);
  if constexpr (kRows > 1) {
    sums[c.stride] = start + total(s1), sums[2 * c.stride] = start + total(s2), sums[3 * c.stride] = start + total(s3);
  }
}

[[IMMABENCH_TARGET]] void dot(const ProductColumn& c) {
  const i32 start = start_of(c.b, c.k);
  i64 row = 0;
  for (; row + 4 <= c.m; row += 4) dot_rows<4>(c, row, start);
  for (; row < c.m; ++row) dot_rows<1>(c, row, start);
}

// The set as product.cpp sees it; `few_rows` was measured, where it could be.
constexpr ProductInstructions products_by_tiles(const char* name, Instructions least, bool (*present)(), int few_rows) {
  return {.name = name,
          .least = least,
          .present = present,
          .lanes = kLanes,
          .panel = kPanel,
          .scratch_bytes = sizeof(Code) == sizeof(i8) ? 0 : sizeof(Code),  // codes of 8 bits are read where they lie
          .few_rows = few_rows,
          .prepared_bytes = sizeof(PreparedCode),
          .pack = &pack,
          .multiply = &multiply,
          .prepare = &prepare,
          .dot = &dot};
}

}  // namespace
}  // namespace immabench::cpu
