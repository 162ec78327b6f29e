// Brings a tile of patches of an image, which are the rows of A when a convolution is a GEMM (im2col), from global into
// swizzled shared memory. The matrix of patches is nowhere but there.
//
//   row    an output pixel (n, p, q)                       k    (r, s, c): what the filter's tap (r, s) meets, channel c
//   A[row, k] = image[n, p * stride - padding + r * dilation, q * stride - padding + s * dilation, c]
//
// Outside of the image is the number that stands for zero, the zero point of the activations.
#pragma once
#include <conv/convolution.hpp>
#include <parts/fast_division.cuh>
#include <parts/swizzle.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// The image as a kernel takes it, 8 bits an element.
struct ImageView {
  simt::Global<simt::i8> data;
  int rows, k;  // of the matrix of patches
  ConvolutionArguments shape;
  FastDivisor by_out_width, by_out_height, by_channels, by_filter_width;
  simt::Global<simt::i32> zero;  // what surrounds the image: null for 0
  bool in_words;                 // four channels may be loaded as one
};

inline ImageView make_image(std::uint64_t address, const ConvolutionArguments& c, std::uint64_t zero) {
  return {.data = {address},
          .rows = int(c.m()),
          .k = int(c.k()),
          .shape = c,
          .by_out_width = FastDivisor(c.out_width()),
          .by_out_height = FastDivisor(c.out_height()),
          .by_channels = FastDivisor(c.channels),
          .by_filter_width = FastDivisor(c.filter_width),
          .zero = {zero},
          .in_words = c.channels % 4 == 0 && address % 4 == 0};
}

// What a tap adds to the place that an output pixel's filter starts at.
struct Tap {
  int y, x, channel;
  bool exists;  // K ends before the last tile does
};

// The threads of a block share the tile's 16-byte chunks as in TileLoader.
//
//   kAligned: channels are a multiple of 16, and so is the address: a chunk is of one tap, one cp.async.
//   otherwise: a cp.async for every four channels where the image is `in_words` (that of a network's first layer, padded from 3
//   channels to 4), else byte by byte, one shared store a chunk: any channels, an order of magnitude slower.
template <int kRows, int kRowBytes, int kThreads, bool kAligned>
class PatchLoader {
 public:
  SIMT_DEVICE PatchLoader(const ImageView& image, int first_row) : image_(image) {
    const int row = int(simt::thread_index()) / Layout::kChunks;
    first_row_ = first_row + row;
    if constexpr (kAligned) {
      SIMT_UNROLL
      for (int round = 0; round < kRounds; ++round) starts_[round] = start(round);
    }
    offset_ = Layout::offset(row, chunk());
    padding_ = image.zero ? (simt::u32(simt::load_global(image.zero)) & 0xFF) * 0x01010101u : 0;
  }

  // Starts loading columns [k0, k0 + kRowBytes) of the patches into the tile at `shared`.
  SIMT_DEVICE void load(simt::u32 shared, int k0) const {
    if (kPartial && int(simt::thread_index()) >= kRows * Layout::kChunks) return;
    const int k = k0 + chunk() * kChunkBytes;
    const auto to = [&](int round) { return shared + offset_ + simt::u32(round * kRowStep * kRowBytes); };
    if constexpr (kAligned) {
      SIMT_UNROLL
      for (int round = 0; round < kRounds; ++round) copy<kChunkBytes>(starts_[round], k, to(round));
    } else {
      // Long code, and the registers of what is in flight are missing for sums: where filters start is computed anew.
      SIMT_ROLLED
      for (int round = 0; round < kRounds; ++round) {
        if (image_.in_words)
          copy<4>(start(round), k, to(round));
        else
          simt::store_shared(to(round), gather(start(round), k));
      }
    }
  }

 private:
  using Layout = SwizzledRows<kRowBytes>;
  static constexpr int kRowStep = kThreads / Layout::kChunks;
  static constexpr int kRounds = kRows < kRowStep ? 1 : kRows / kRowStep;
  static constexpr bool kPartial = kRows < kRowStep;
  static_assert(kPartial || kRows % kRowStep == 0, "rounds cover whole rows");
  static_assert(kRowStep % Layout::kPeriod == 0 || kRounds == 1, "the swizzle repeats from round to round");

  SIMT_DEVICE static int chunk() { return int(simt::thread_index()) % Layout::kChunks; }

  // Where the filter starts for a row, in an image whose first line is counted from the first image's.
  struct Start {
    simt::u32 y_x;  // 16 bits each
    int first_line;
  };

  // Of rows that do not exist so far outside that no tap is inside.
  SIMT_DEVICE Start start(int round) const {
    const ConvolutionArguments& c = image_.shape;
    const int row = first_row_ + round * kRowStep;
    const int line = image_.by_out_width.quotient(row), q = image_.by_out_width.remainder(row, line);
    const int n = image_.by_out_height.quotient(line), p = image_.by_out_height.remainder(line, n);
    const int y = row < image_.rows ? p * c.stride_height - c.padding_height : -2 * kMaxPixels;
    const int x = q * c.stride_width - c.padding_width;
    return {simt::u32(y) << 16 | (simt::u32(x) & 0xFFFF), n * c.height};
  }

  SIMT_DEVICE Tap tap(int k) const {
    const ConvolutionArguments& c = image_.shape;
    const int at = image_.by_channels.quotient(k), r = image_.by_filter_width.quotient(at);
    const int s = image_.by_filter_width.remainder(at, r);
    return {r * c.dilation_height, s * c.dilation_width, image_.by_channels.remainder(k, at), k < image_.k};
  }

  // The element that a row's filter meets at a tap, and whether it is in the image.
  SIMT_DEVICE bool meets(const Start& start, const Tap& tap, simt::Global<simt::i8>& element) const {
    const ConvolutionArguments& c = image_.shape;
    const int y = (simt::i32(start.y_x) >> 16) + tap.y, x = (simt::i32(start.y_x << 16) >> 16) + tap.x;
    const simt::i64 pixel = simt::i64(start.first_line + y) * c.width + x;
    element = image_.data + (pixel * c.channels + tap.channel);
    return tap.exists && simt::u32(y) < simt::u32(c.height) && simt::u32(x) < simt::u32(c.width);
  }

  template <int kVector>
  SIMT_DEVICE void copy(const Start& start, int k, simt::u32 to) const {
    SIMT_UNROLL
    for (int i = 0; i < kChunkBytes; i += kVector) {
      const Tap tap = this->tap(k + i);
      simt::Global<simt::i8> element;
      const bool inside = meets(start, tap, element);
      if (inside || !tap.exists || padding_ == 0) {
        if constexpr (kVector == kChunkBytes)
          simt::copy_async_or_zeros(to, element, inside);
        else
          simt::copy_async<kVector>(to + simt::u32(i), element, inside ? kVector : 0);
      } else {
        simt::Vector<simt::u32, kVector / 4> value;
        SIMT_UNROLL
        for (int word = 0; word < kVector / 4; ++word) value[word] = padding_;
        simt::store_shared(to + simt::u32(i), value);
      }
    }
  }

  SIMT_DEVICE simt::Vector<simt::u32, 4> gather(const Start& start, int k) const {
    simt::Vector<simt::u32, 4> chunk{};
    SIMT_UNROLL
    for (int i = 0; i < kChunkBytes; ++i) {
      const Tap tap = this->tap(k + i);
      simt::Global<simt::i8> element;
      simt::u32 value = tap.exists ? padding_ & 0xFF : 0;
      if (meets(start, tap, element)) value = simt::u8(simt::load_global(element));
      chunk[i / 4] |= value << i % 4 * 8;
    }
    return chunk;
  }

  const ImageView& image_;
  int first_row_;          // of this thread
  Start starts_[kRounds];  // where kAligned
  simt::u32 offset_;
  simt::u32 padding_;  // four times
};

}  // namespace immabench::inline SIMT_TARGET
