// The geometry of a 2-D convolution, and why a kernel cannot compute one.
#pragma once
#include <cstdint>

namespace immabench {

constexpr int kMaxPixels = 1 << 14;  // height or width of a padded image: kernels keep two such numbers in a word

// Sizes in pixels, height first. As a GEMM: M = images * out_height * out_width, N filters, K = filter_height * filter_width *
// channels; A is the image, NHWC, of which a row of the GEMM is what one output pixel's filter meets. `images` is 0 where A is
// a plain matrix.
struct ConvolutionArguments {
  int images = 0, height = 0, width = 0, channels = 0;
  int filter_height = 1, filter_width = 1;
  int stride_height = 1, stride_width = 1;
  int padding_height = 0, padding_width = 0;  // on either side
  int dilation_height = 1, dilation_width = 1;

  constexpr bool present() const { return images != 0; }
  constexpr int out_height() const {
    return (height + 2 * padding_height - dilation_height * (filter_height - 1) - 1) / stride_height + 1;
  }
  constexpr int out_width() const {
    return (width + 2 * padding_width - dilation_width * (filter_width - 1) - 1) / stride_width + 1;
  }
  constexpr std::int64_t m() const { return std::int64_t{images} * out_height() * out_width(); }
  constexpr std::int64_t k() const { return std::int64_t{filter_height} * filter_width * channels; }

  // Why there is no such convolution, or null.
  constexpr const char* invalid_reason() const {
    const auto fits = [](std::int64_t pixels, std::int64_t padding, std::int64_t taps, std::int64_t dilation) {
      return pixels + 2 * padding <= kMaxPixels && (taps - 1) * dilation < kMaxPixels;
    };
    if (!fits(height, padding_height, filter_height, dilation_height) ||
        !fits(width, padding_width, filter_width, dilation_width))
      return "padded images and filters go up to 16384 pixels; split the image";
    if (out_height() < 1 || out_width() < 1) return "the filter is larger than the padded image; pad the image more";
    if (std::int64_t{images} * height * width > INT32_MAX || m() > INT32_MAX || k() > INT32_MAX)
      return "pixels, and elements of a filter, go up to 2^31-1; split the images";
    return nullptr;
  }
};

}  // namespace immabench
