// Where 16-byte chunks lie in shared memory so that neither copies nor ldmatrix meet a bank conflict.
#pragma once
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

constexpr int kChunkBytes = 16;

// A tile of rows, kRowBytes each along K (a power of two, 32 to 256). Shared memory serves 128 bytes (8 chunks) at a time. A
// copy writes neighbouring chunks of a row; ldmatrix reads the same chunk of 8 neighbouring rows. Both touch all 8 chunk
// positions of a 128-byte line once when the chunk index is XORed with the number of the line the row begins in:
//
//   64-byte rows:  line 0 | row 0: 0 1 2 3 | row 1: 0 1 2 3 |      128-byte rows:  line 0 | 0 1 2 3 4 5 6 7 |
//                  line 1 | row 2: 1 0 3 2 | row 3: 1 0 3 2 |                      line 1 | 1 0 3 2 5 4 7 6 |
//                  line 2 | row 4: 2 3 0 1 | row 5: 2 3 0 1 |                      line 2 | 2 3 0 1 6 7 4 5 |
template <int kRowBytes>
struct SwizzledRows {
  static constexpr int kChunks = kRowBytes / kChunkBytes;
  static constexpr int kRowsPerLine = kRowBytes < 128 ? 128 / kRowBytes : 1;
  static constexpr int kPattern = kChunks < 8 ? kChunks : 8;
  static constexpr int kPeriod = kRowsPerLine * kPattern;  // rows this far apart are swizzled alike
  static_assert((kRowBytes & (kRowBytes - 1)) == 0 && kChunks >= 2, "rows hold a power of two of chunks, at least two");

  SIMT_CALLABLE static constexpr simt::u32 offset(int row, int chunk) {
    return simt::u32(row * kRowBytes + ((chunk ^ (row / kRowsPerLine) % kPattern) * kChunkBytes));
  }
};

// Rows as they come, for what is read in the order of its addresses.
template <int kRowBytes>
struct PlainRows {
  static constexpr int kChunks = kRowBytes / kChunkBytes, kPeriod = 1;

  SIMT_CALLABLE static constexpr simt::u32 offset(int row, int chunk) {
    return simt::u32(row * kRowBytes + chunk * kChunkBytes);
  }
};

}  // namespace immabench::inline SIMT_TARGET
