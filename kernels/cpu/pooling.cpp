// Max and average pooling of int8 images, NHWC: channels are vectors.
#include <cpu/blocks.hpp>
#include <cpu/cpu.hpp>
#include <cpu/parallel.hpp>

namespace immabench::cpu {
namespace {

struct Span {
  int begin, end;
};
// What of a window along an axis lies within the image.
Span within(int output, int stride, int padding, int taps, int size) {
  const int first = output * stride - padding;
  return {std::max(first, 0), std::min(first + taps, size)};
}

// Calls step(columns, rows, image, q) for the windows of output rows [begin, end) of all images.
template <class Step>
void each_window(const ConvolutionArguments& g, std::uint64_t x, i64 begin, i64 end, Step&& step) {
  const i64 line = i64{g.width} * g.channels;
  for (i64 output = begin; output < end; ++output) {
    const i8* image = at<i8>(x) + output / g.out_height() * g.height * line;
    const Span rows = within(int(output % g.out_height()), g.stride_height, g.padding_height, g.filter_height, g.height);
    for (int q = 0; q < g.out_width(); ++q) {
      const Span columns = within(q, g.stride_width, g.padding_width, g.filter_width, g.width);
      step(image, rows, columns, (output * g.out_width() + q) * g.channels);
    }
  }
}

// Calls step(pixel) with the channels from `channel` on of every pixel of a window.
template <class Step>
void each_pixel(const ConvolutionArguments& g, const i8* image, Span rows, Span columns, int channel, Step&& step) {
  for (int h = rows.begin; h < rows.end; ++h) {
    for (int w = columns.begin; w < columns.end; ++w) step(image + (i64{h} * g.width + w) * g.channels + channel);
  }
}

void largest_of(i8* __restrict best, const i8* __restrict pixel, int count) {
  for (int i = 0; i < count; ++i) best[i] = std::max(best[i], pixel[i]);
}
void add_codes(i32* __restrict sums, const i8* __restrict pixel, int count) {
  for (int i = 0; i < count; ++i) sums[i] += pixel[i];
}

struct MaxPool {
  const MaxPoolArguments& a;

  void operator()(i64 begin, i64 end) const {
    const ConvolutionArguments& g = a.geometry;
    each_window(g, a.x, begin, end, [&](const i8* image, Span rows, Span columns, i64 index) {
      for (int c = 0; c < g.channels; c += kBlock) {
        const int count = std::min(kBlock, g.channels - c);
        alignas(64) i8 best[kBlock];
        std::fill_n(best, count, i8(-128));
        each_pixel(g, image, rows, columns, c, [&](const i8* pixel) { largest_of(best, pixel, count); });
        std::copy_n(best, count, writable<i8>(a.out) + index + c);
      }
    });
  }
};

struct AvgPool {
  const AvgPoolArguments& a;
  float x_scale, factor;  // of floats; of codes
  i32 x_zero, zero;

  explicit AvgPool(const AvgPoolArguments& arguments)
      : a(arguments),
        x_scale(a.x_scale ? *at<float>(a.x_scale) : 1.0f),
        factor(a.scale ? x_scale / *at<float>(a.scale) : 1.0f),
        x_zero(a.x_zero_point ? *at<i32>(a.x_zero_point) : 0),
        zero(a.zero_point ? *at<i32>(a.zero_point) : 0) {}

  void operator()(i64 begin, i64 end) const {
    const ConvolutionArguments& g = a.geometry;
    each_window(g, a.x, begin, end, [&](const i8* image, Span rows, Span columns, i64 index) {
      const int pixels = (rows.end - rows.begin) * (columns.end - columns.begin);
      const int divisor = a.count_include_pad ? g.filter_height * g.filter_width : pixels;
      for (int c = 0; c < g.channels; c += kBlock) {
        const int count = std::min(kBlock, g.channels - c);
        alignas(64) i32 sums[kBlock];
        std::fill_n(sums, count, -pixels * x_zero);
        each_pixel(g, image, rows, columns, c, [&](const i8* pixel) { add_codes(sums, pixel, count); });
        store(sums, float(divisor), index + c, count);
      }
    });
  }

 private:
  void store(const i32* __restrict sums, float divisor, i64 index, int count) const {
    if (!a.to_codes) {
      float* __restrict out = writable<float>(a.out) + index;
      for (int i = 0; i < count; ++i) out[i] = float(sums[i]) / divisor * x_scale;
      return;
    }
    i8* __restrict out = writable<i8>(a.out) + index;
    // Copies, since codes could be the bytes of anything.
    const float by = factor, low = float(-128 - zero), high = float(127 - zero);
    const i32 shift = zero;
    for (int i = 0; i < count; ++i) out[i] = code_of(float(sums[i]) / divisor * by, low, high, shift);
  }
};

template <class Pass>
void run_windows(const Pass& pass, const ConvolutionArguments& g, int threads) {
  // A tap of a window is an addition, or a comparison, of codes: a quarter of an element's way through arithmetic.
  const i64 taps = i64{g.filter_height} * g.filter_width;
  run(pass, i64{g.images} * g.out_height(), i64{g.out_width()} * g.channels * taps / 4, threads);
}

}  // namespace

void compute(const MaxPoolArguments& a, int threads) { run_windows(MaxPool{a}, a.geometry, threads); }
void compute(const AvgPoolArguments& a, int threads) { run_windows(AvgPool{a}, a.geometry, threads); }

}  // namespace immabench::cpu
