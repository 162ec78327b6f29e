// Windows of images: which pixels each meets, and how their channels move. Memory-bound; a thread takes neighbouring channels.
#pragma once
#include <cstring>

#include <conv/convolution.hpp>
#include <parts/fast_division.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

constexpr int kTapsAtOnce = 3;  // loads in flight before the first of them is used: a row of the most usual window

// Neighbouring channels of a pixel, four a word; a width of 1 leaves the upper bytes alone.
template <int kWidth>
struct Channels {
  static_assert(kWidth == 1 || kWidth % 4 == 0);
  static constexpr int kWords = (kWidth + 3) / 4;
  simt::Vector<simt::u32, kWords> words;

  SIMT_DEVICE void load(simt::Global<simt::i8> from) {
    if constexpr (kWidth == 1)
      words[0] = simt::load_global(from.template as<simt::u8>());
    else
      words = simt::load_global(from.template as<simt::Vector<simt::u32, kWords>>());
  }
  SIMT_DEVICE void store(simt::Global<simt::i8> to) const {
    if constexpr (kWidth == 1)
      simt::store_global(to, simt::i8(words[0]));
    else
      simt::store_global(to.template as<simt::Vector<simt::u32, kWords>>(), words);
  }
};

// Pixels from `begin` up to `end`, along one axis.
struct Extent {
  int begin, end;
  SIMT_DEVICE int size() const { return end - begin; }
};

struct Windows {
  int height, width, channels;
  int filter_height, filter_width, stride_height, stride_width, padding_height, padding_width;
  FastDivisor by_filter_width, by_out_height, by_out_width;

  // A window, by the output pixel that it makes: its first pixel, which padding may hold, and what of it is within the image.
  struct Place {
    simt::i64 first_row;  // of the image, among the rows of all images
    int top, left;
    Extent rows, columns;
  };
  SIMT_DEVICE Place place(int pixel) const {
    const int line = by_out_width.quotient(pixel), image = by_out_height.quotient(line);
    const int top = by_out_height.remainder(line, image) * stride_height - padding_height;
    const int left = by_out_width.remainder(pixel, line) * stride_width - padding_width;
    return {simt::i64(image) * height, top, left, within(top, filter_height, height), within(left, filter_width, width)};
  }
  // Of the first channel.
  SIMT_DEVICE simt::i64 index(const Place& at, int row, int column) const {
    return ((at.first_row + row) * width + column) * channels;
  }

 private:
  SIMT_DEVICE static Extent within(int first, int taps, int pixels) {
    return {first > 0 ? first : 0, first + taps < pixels ? first + taps : pixels};
  }
};

// Calls use(channels) for each pixel of a window, `x` being its image at the channels asked for.
template <int kWidth, class Use>
SIMT_DEVICE void for_each_tap(const Windows& windows, const Windows::Place& at, simt::Global<simt::i8> x, Use&& use) {
  const simt::i64 pitch = simt::i64(windows.width) * windows.channels;
  simt::Global<simt::i8> line = x + windows.index(at, at.rows.begin, 0);
  SIMT_ROLLED
  for (int row = at.rows.begin; row < at.rows.end; ++row, line = line + pitch) {
    SIMT_ROLLED
    for (int column = at.columns.begin; column < at.columns.end; column += kTapsAtOnce) {
      const simt::Global<simt::i8> first = line + simt::i64(column) * windows.channels;
      Channels<kWidth> taps[kTapsAtOnce]{};
      SIMT_UNROLL
      for (int i = 0; i < kTapsAtOnce; ++i) {
        if (column + i < at.columns.end) taps[i].load(first + i * windows.channels);
      }
      SIMT_UNROLL
      for (int i = 0; i < kTapsAtOnce; ++i) {
        if (column + i < at.columns.end) use(taps[i]);
      }
    }
  }
}

// ---- on the host, for both targets

inline Windows make_windows(const ConvolutionArguments& g) {
  return {.height = g.height,
          .width = g.width,
          .channels = g.channels,
          .filter_height = g.filter_height,
          .filter_width = g.filter_width,
          .stride_height = g.stride_height,
          .stride_width = g.stride_width,
          .padding_height = g.padding_height,
          .padding_width = g.padding_width,
          .by_filter_width = FastDivisor(g.filter_width),
          .by_out_height = FastDivisor(g.out_height()),
          .by_out_width = FastDivisor(g.out_width())};
}

// Calls visit.operator()<kWidth>() for the most channels, up to `kMost`, of which pixels are whole vectors, so that everything
// starts on one. `bytes` addresses one byte a channel, `words` four.
template <int kMost, class Visit>
auto with_width(int channels, std::uint64_t bytes, std::uint64_t words, Visit&& visit) {
  const auto fits = [&](unsigned width) { return channels % width == 0 && bytes % width == 0 && words % (4 * width) == 0; };
  if constexpr (kMost >= 16) {
    if (fits(16)) return visit.template operator()<16>();
  }
  return fits(4) ? visit.template operator()<4>() : visit.template operator()<1>();
}

}  // namespace immabench::inline SIMT_TARGET
