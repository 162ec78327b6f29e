// Pooling of windows that overlap and leave the image on every side, a thread a window; and averages of large windows, a block
// a window, of 36 channels, so that the second block of a pixel is partial. Against the definition, window by window.
#include <algorithm>
#include <cmath>

#include <pooling/avg_pool2d.cuh>
#include <quantize/run_emulated.hpp>

#include "harness.hpp"

using namespace immabench;
using simt::host::Access;
using simt::host::Operation;

namespace {

// The pixel of the image where a tap of an output's window lies, or -1 outside.
int pixel_of(const ConvolutionArguments& g, int output, int tap) {
  const int line = output / g.out_width(),
            row = line % g.out_height() * g.stride_height - g.padding_height + tap / g.filter_width;
  const int column = output % g.out_width() * g.stride_width - g.padding_width + tap % g.filter_width;
  if (row < 0 || row >= g.height || column < 0 || column >= g.width) return -1;
  return (line / g.out_height() * g.height + row) * g.width + column;
}

// The largest code of a window, or the average of its codes.
int pooled(const ConvolutionArguments& g, const std::int8_t* x, int output, int channel, bool largest) {
  int maximum = -128, sum = 0, count = 0;
  for (int tap = 0; tap < g.filter_height * g.filter_width; ++tap) {
    const int pixel = pixel_of(g, output, tap);
    if (pixel < 0) continue;
    const int code = x[pixel * g.channels + channel];
    maximum = std::max(maximum, code), sum += code, ++count;
  }
  return largest ? maximum : int(std::nearbyint(float(sum) / float(count)));
}

template <class Run>
void run(const mutants::Problem& problem, bool largest, Run&& emulate) {
  const ConvolutionArguments& g = problem.convolution;
  const std::size_t elements = std::size_t(g.images * g.height * g.width * g.channels),
                    outputs = std::size_t(g.m() * g.channels);
  const auto x = mutants::allocate<std::int8_t>(elements), out = mutants::allocate<std::int8_t>(outputs);
  std::mt19937 generator(1);
  for (std::size_t i = 0; i < elements; ++i) x[i] = std::int8_t(int(generator() % 128) - 128);  // all negative: 0 would win
  for (const auto order : {simt::host::Order::kForward, simt::host::Order::kReverse, simt::host::Order::kRandom}) {
    std::fill_n(out.get(), outputs, std::int8_t(0x5A));
    simt::host::GlobalMemory memory;
    memory.add(x.get(), elements, Access::kRead), memory.add(out.get(), outputs, Access::kWrite);
    simt::host::Options options;
    options.order = order, options.max_hazards = 100000;
    const auto report = emulate(std::uint64_t(x.get()), std::uint64_t(out.get()), memory, options);
    int wrong = 0;
    for (int i = 0; i < int(outputs); ++i) wrong += out[i] != pooled(g, x.get(), i / g.channels, i % g.channels, largest);
    mutants::print(problem, report, wrong);
  }
}

ConvolutionArguments windows(int height, int width, int channels, int filter, int stride, int padding) {
  ConvolutionArguments g{.images = 2, .height = height, .width = width, .channels = channels};
  g.filter_height = g.filter_width = filter, g.stride_height = g.stride_width = stride;
  g.padding_height = g.padding_width = padding;
  return g;
}

}  // namespace

int main() {
  using enum Operation;
  mutants::Problem problem{.label = "max", .count = {kGlobalLoad, kGlobalStore}, .convolution = windows(11, 10, 64, 3, 2, 1)};
  run(problem, true, [&](std::uint64_t x, std::uint64_t out, auto& memory, const auto& options) {
    return run_emulated(plan(MaxPoolArguments{.x = x, .out = out, .geometry = problem.convolution}), memory, options);
  });
  problem.label = "average", problem.convolution = windows(11, 10, 64, 4, 3, 2);
  run(problem, false, [&](std::uint64_t x, std::uint64_t out, auto& memory, const auto& options) {
    const AvgPoolArguments arguments{.x = x, .out = out, .geometry = problem.convolution};
    return run_emulated(plan<AvgPoolKernel::kThread>(arguments), memory, options);
  });
  problem.label = "block", problem.count = {kSharedStore, kSharedLoad}, problem.convolution = windows(15, 14, 36, 14, 2, 3);
  run(problem, false, [&](std::uint64_t x, std::uint64_t out, auto& memory, const auto& options) {
    const AvgPoolArguments arguments{.x = x, .out = out, .geometry = problem.convolution};
    return run_emulated(plan<AvgPoolKernel::kBlock>(arguments), memory, options);
  });
}
