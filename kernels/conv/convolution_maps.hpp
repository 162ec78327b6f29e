// The operands of a convolution as the Tensor Memory Accelerator takes them: pixels of images by im2col, filters by boxes.
#pragma once
#include <cstdint>

#include <conv/convolution.hpp>
#include <simt/tensor_map.hpp>

namespace immabench {

// Patches of an image, one tap of the filter at a time: `pixels` rows of A, which are pixels of the output, for a block of
// channels, a swizzled line. The window is of the places that the first tap takes, the others are offsets from there. Channels
// that an image or a filter has not read as zeros.
constexpr simt::TensorDescription describe_image(std::uint64_t base, const ConvolutionArguments& c, int box_channels,
                                                 int pixels) {
  const auto channels = std::uint64_t(c.channels), line = channels * std::uint64_t(c.width);
  return {.base = base,
          .rank = 4,
          .extent = {channels, std::uint64_t(c.width), std::uint64_t(c.height), std::uint64_t(c.images)},
          .stride_bytes = {0, channels, line, line * std::uint64_t(c.height)},
          .box = {std::uint32_t(box_channels), std::uint32_t(pixels)},
          .swizzle = simt::swizzle_of_span(box_channels),
          .im2col = true,
          .lower = {-c.padding_width, -c.padding_height},
          .upper = {c.padding_width - c.dilation_width * (c.filter_width - 1),
                    c.padding_height - c.dilation_height * (c.filter_height - 1)},
          .traversal_stride = {std::uint32_t(c.stride_width), std::uint32_t(c.stride_height)}};
}

// Filters [n, taps, channels]: a box is of one tap.
constexpr simt::TensorDescription describe_filters(std::uint64_t base, const ConvolutionArguments& c, int n, int box_channels,
                                                   int filters) {
  const std::uint64_t taps = std::uint64_t(c.filter_height) * std::uint64_t(c.filter_width);
  const auto channels = std::uint64_t(c.channels);
  return {.base = base,
          .rank = 3,
          .extent = {channels, taps, std::uint64_t(n)},
          .stride_bytes = {0, channels, taps * channels},
          .box = {std::uint32_t(box_channels), 1, std::uint32_t(filters)},
          .swizzle = simt::swizzle_of_span(box_channels)};
}

// Why no tensor map describes this convolution of `n` filters, or null. The offsets of a tap are 8 bits each (PTX ISA, "im2col
// mode"); the rest is for the maps to say.
constexpr const char* unmapped_reason(const ConvolutionArguments& c, int n) {
  constexpr int kLongestOffset = 255;
  if (c.dilation_height * (c.filter_height - 1) > kLongestOffset || c.dilation_width * (c.filter_width - 1) > kLongestOffset)
    return "a tap is up to 255 pixels from the first";
  if (const char* reason = invalid_reason(describe_image(0, c, 128, 1))) return reason;
  return invalid_reason(describe_filters(0, c, n, 128, 1));
}

}  // namespace immabench
