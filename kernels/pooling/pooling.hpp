// What a call of a pooling kernel is given, and what it can take. Images are NHWC without padding between; addresses of absent
// operands are 0. docs/numerics.md ("Pooling") specifies the results.
#pragma once
#include <companions.hpp>
#include <conv/convolution.hpp>
#include <cstdint>
#include <string>

namespace immabench {

constexpr int kMostTaps = 1 << 23;        // of a window: 2^23 * 255 fits int32
constexpr int kPoolThreads = 256;         // a block of the kernels with a thread a window
constexpr int kBlockWindowThreads = 128;  // those of the kernel with a block a window
constexpr int kBlockChannels = 32;        // and the channels it takes: one for each lane in the end
constexpr int kBlockWindowShared = 4 * kBlockWindowThreads;

enum class AvgPoolKernel : int { kThread, kBlock };  // what takes a window, in the order of the table

// `geometry` has the windows as the filters of a convolution, of dilation 1.
struct MaxPoolArguments {
  std::uint64_t x = 0, out = 0;  // int8
  ConvolutionArguments geometry;
};

// mean = f32(sum of x - x_zero_point) / f32(divisor);   int8: clamp(rint(mean * (x_scale / scale)) + zero_point)
struct AvgPoolArguments {
  std::uint64_t x = 0, out = 0;                    // int8
  std::uint64_t x_scale = 0, scale = 0;            // float32 [1]
  std::uint64_t x_zero_point = 0, zero_point = 0;  // int32 [1]
  bool to_codes = true;                            // else `out` is float32: mean * x_scale
  bool count_include_pad = false;                  // what divides is the window's pixels, else those within the image
  ConvolutionArguments geometry;
};

// Why no kernel pools by these windows, with what to change; empty where one does.
std::string illegal_reason(const CompanionConfig& config, const ConvolutionArguments& windows);

inline std::string illegal_reason(const CompanionConfig& config, const MaxPoolArguments& arguments) {
  return illegal_reason(config, arguments.geometry);
}
inline std::string illegal_reason(const CompanionConfig& config, const AvgPoolArguments& arguments) {
  return illegal_reason(config, arguments.geometry);
}

}  // namespace immabench
