// Brings one K-major operand tile (kRows x kRowBytes of 8-bit elements) from global into swizzled shared memory.
#pragma once
#include <parts/swizzle.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// The operand as it lies in global memory: `rows` rows of `k` bytes, no padding between them; of a batch, the first of them.
struct OperandView {
  simt::Global<simt::i8> data;
  int rows, k;

  SIMT_DEVICE OperandView entry(int index) const { return {data + simt::i64(index) * rows * k, rows, k}; }
};

// The threads of a block share the tile's 16-byte chunks: thread t takes chunk t % kChunks of row t / kChunks, and the same
// chunk of every kRowStep-th row after it. What lies beyond the operand's rows or K becomes zero, which adds nothing to a
// product.
//
//   kAligned: every row starts on 16 bytes (K % 16 == 0, aligned base): one cp.async a chunk, completed by copy_async_wait.
//   otherwise: up to 16 single-byte loads a chunk and one shared store: any K and any base address, an order of magnitude more
//   load instructions. Visible to the block after the next barrier, like a landed copy. Threads that do nothing else may have
//   all of them under way (kAllInFlight).
template <int kRows, int kRowBytes, int kThreads, bool kAligned, class Layout = SwizzledRows<kRowBytes>,
          bool kAllInFlight = kAligned>
class TileLoader {
 public:
  SIMT_DEVICE TileLoader(const OperandView& operand, int first_row) {
    const int row = int(simt::thread_index()) / Layout::kChunks, chunk = int(simt::thread_index()) % Layout::kChunks;
    source_ = simt::opaque(operand.data + (simt::i64(first_row + row) * operand.k + chunk * kChunkBytes));
    row_stride_ = operand.k;
    rows_left_ = operand.rows - first_row - row;
    bytes_left_ = operand.k - chunk * kChunkBytes;
    offset_ = Layout::offset(row, chunk);
  }

  // Starts loading columns [k0, k0 + kRowBytes) into the tile at `shared`.
  SIMT_DEVICE void load(simt::u32 shared, int k0) const {
    const int left = bytes_left_ - k0, in_row = left < 0 ? 0 : left < kChunkBytes ? left : kChunkBytes;
    const auto source = source_ + k0;
    const auto load_round = [&](int round) {
      const int chunks_left = (kRows - round * kRowStep) * Layout::kChunks;
      if (kPartial && int(simt::thread_index()) >= chunks_left) return;
      const int valid = round * kRowStep < rows_left_ ? in_row : 0;
      load_chunk(shared + offset_ + round * kRowStep * kRowBytes, source + simt::i64(round * kRowStep) * row_stride_, valid);
    };
    if constexpr (kAllInFlight) {
      SIMT_UNROLL
      for (int round = 0; round < kRounds; ++round) load_round(round);
    } else {
      // Byte by byte is long code, and the registers of what is in flight are missing for sums.
      SIMT_UNROLL_TWICE
      for (int round = 0; round < kRounds; ++round) load_round(round);
    }
  }

 private:
  static constexpr int kRowStep = kThreads / Layout::kChunks;
  static constexpr int kRounds = (kRows + kRowStep - 1) / kRowStep;
  static constexpr bool kPartial = kRows % kRowStep != 0;  // the last round has fewer chunks than threads
  static_assert(kRowStep % Layout::kPeriod == 0 || kRounds == 1, "the swizzle repeats from round to round");

  SIMT_DEVICE static void load_chunk(simt::u32 destination, simt::Global<simt::i8> source, int valid) {
    if constexpr (kAligned) {
      simt::copy_async_or_zeros(destination, source, valid > 0);  // rows are whole chunks
    } else {
      simt::Vector<simt::u32, 4> chunk{};
      SIMT_UNROLL
      for (int i = 0; i < kChunkBytes; ++i) {
        if (i < valid) chunk[i / 4] |= simt::u32(simt::u8(simt::load_global(source + i))) << i % 4 * 8;
      }
      simt::store_shared(destination, chunk);
    }
  }

  simt::Global<simt::i8> source_;  // this thread's chunk of its first row, at k = 0
  int row_stride_, rows_left_, bytes_left_;
  simt::u32 offset_;
};

}  // namespace immabench::inline SIMT_TARGET
