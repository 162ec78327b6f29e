// Brings rows of one head, a token each, from where a projection wrote them into swizzled shared memory.
#pragma once
#include <attention/attention.hpp>
#include <parts/swizzle.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// As TokenMatrix, typed; strides in elements.
struct TokenView {
  simt::Global<simt::i8> data;
  simt::i64 batch_stride, head_stride;
  int token_stride;

  SIMT_DEVICE simt::Global<simt::i8> head(int batch, int head) const {
    return data + (batch * batch_stride + head * head_stride);
  }
};

// The threads of a block share the tile's 16-byte chunks as those of a GEMM do (parts/tile_loader.cuh). Tokens that do not
// exist become zeros. Completed by copy_async_wait.
template <int kRows, int kRowBytes, int kThreads>
class TokenLoader {
 public:
  SIMT_DEVICE TokenLoader(simt::Global<simt::i8> head, int token_stride, int tokens) : token_stride_(token_stride) {
    const int row = int(simt::thread_index()) / Layout::kChunks, chunk = int(simt::thread_index()) % Layout::kChunks;
    source_ = simt::opaque(head + (simt::i64(row) * token_stride + chunk * kChunkBytes));
    tokens_left_ = tokens - row;
    offset_ = Layout::offset(row, chunk);
  }

  // Starts loading tokens [first, first + kRows) into the tile at `shared`.
  SIMT_DEVICE void load(simt::u32 shared, int first) const {
    SIMT_UNROLL
    for (int round = 0; round < kRows / kRowStep; ++round) {
      const int token = first + round * kRowStep;
      simt::copy_async_or_zeros(shared + offset_ + simt::u32(round * kRowStep * kRowBytes),
                                source_ + simt::i64(token) * token_stride_, token < tokens_left_);
    }
  }

 private:
  using Layout = SwizzledRows<kRowBytes>;
  static constexpr int kRowStep = kThreads / Layout::kChunks;
  static_assert(kRows % kRowStep == 0 && kRowStep % Layout::kPeriod == 0);

  simt::Global<simt::i8> source_;  // this thread's chunk of its first row, of token 0
  int token_stride_, tokens_left_;
  simt::u32 offset_;
};

}  // namespace immabench::inline SIMT_TARGET
