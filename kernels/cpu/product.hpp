// Products of int8 by one set of instructions: what product.cpp deals out to threads.
//
//   B [N, K] --once--> panels: [K / kQuad][columns of a panel][kQuad]
//   rows of A, of whole quads --tiles of 6 rows x a panel--> sums
#pragma once
#include <cpu/blocks.hpp>
#include <cpu/parallel.hpp>
#include <cstddef>

namespace immabench::cpu {

using simt::u8;

#define IMMABENCH_INLINE IMMABENCH_TARGET, gnu::always_inline
#define IMMABENCH_UNROLL _Pragma("GCC unroll 16")  // at once, so that arrays of vectors are registers

constexpr int kQuad = 4;          // elements of K that lie together
constexpr int kMostRows = 96;     // of A, in a block
constexpr int kVectorBytes = 64;  // of the widest vector: few rows are padded to it

constexpr i64 rounded_up(i64 value, i64 multiple) { return (value + multiple - 1) / multiple * multiple; }

// Some columns of B [n, k], rows of which lie one after the other, on their way into panels.
struct ProductColumns {
  const i8* b;
  i64 n, k, first;
};

// Rows of A against columns of B.
struct ProductBlock {
  const i8* a;
  i64 stride;          // bytes from row to row, a multiple of kQuad; what lies past K meets zeros of B
  i64 rows;            // up to kMostRows
  const u8* panels;    // of these columns
  i64 columns, n;      // of which there are so many, and of B
  i32* sums;           // [rows, n], from the first of these columns on
  std::byte* scratch;  // ProductInstructions::row_scratch
};

// Few rows of A, for which it does not pay to bring B into order (`few_rows`), against one column of B as it lies.
struct ProductColumn {
  const std::byte* rows;  // as `prepare` left them, one after the other
  i64 m, k;
  const i8* b;
  i32* sums;
  i64 stride;  // elements from sum to sum
};

struct ProductInstructions {
  const char* name;
  Instructions least;  // they are there where best_instructions() are no less, and
  bool (*present)();
  int lanes, panel;    // columns that are packed at once, columns of a panel
  int scratch_bytes;   // of a block, for each byte of A
  int few_rows;        // fewer take B as it lies if it is not packed yet
  int prepared_bytes;  // of an element of a prepared row, which is padded to whole vectors
  void (*pack)(const ProductColumns& columns, u8* panels);
  void (*multiply)(const ProductBlock& block);
  void (*prepare)(const i8* row, i64 k, std::byte* prepared);
  void (*dot)(const ProductColumn& column);

  i64 panel_bytes(i64 n, i64 k) const { return rounded_up(n, panel) * rounded_up(k, kQuad); }
  i64 row_scratch(i64 bytes) const { return rounded_up(bytes, kVectorBytes) * scratch_bytes; }
  i64 row_bytes(i64 k) const { return rounded_up(k, kVectorBytes) * prepared_bytes; }
};

#if defined(__x86_64__) && defined(__GNUC__)
extern const ProductInstructions kAvx512VnniProduct, kAvxVnniProduct, kAvx2Product;
#endif

}  // namespace immabench::cpu
