#include <pooling/pooling.hpp>

#include <climits>
#include <cstdint>
#include <vector>

#include <companion_instances.hpp>

namespace immabench {
namespace {

CompanionConfig thread_a_window(const std::string& family, const OperandTypes& types) {
  return {
      .id = companion_id(family, 1), .family = family, .operand_types = types, .threads = kPoolThreads, .window_threads = 1};
}

CompanionConfig block_a_window(const std::string& family, const OperandTypes& types) {
  return {.id = companion_id(family, kBlockWindowThreads),
          .family = family,
          .operand_types = types,
          .threads = kBlockWindowThreads,
          .shared_bytes = kBlockWindowShared,
          .window_threads = kBlockWindowThreads};
}

}  // namespace

template <>
std::span<const Companion<MaxPoolArguments>> companions() {
  static const auto table = [] {
    std::vector<Companion<MaxPoolArguments>> made;
    append_companion(made, thread_a_window("max_pool2d", {{"x", "s8"}, {"out", "s8"}}));
    return made;
  }();
  return table;
}

// In the order of AvgPoolKernel.
template <>
std::span<const Companion<AvgPoolArguments>> companions() {
  static const auto table = [] {
    const OperandTypes types{{"x", "s8"}, {"out", "s8|f32"}};
    std::vector<Companion<AvgPoolArguments>> made;
    append_companion(made, thread_a_window("avg_pool2d", types));
    append_companion(made, block_a_window("avg_pool2d", types));
    return made;
  }();
  return table;
}

std::string illegal_reason(const CompanionConfig&, const ConvolutionArguments& windows) {
  if (const char* reason = windows.invalid_reason()) return reason;
  if (2 * windows.padding_height > windows.filter_height || 2 * windows.padding_width > windows.filter_width)
    return "padding is more than half of the window, which may then hold no pixel; take at most filter / 2";
  const std::int64_t taps = std::int64_t{windows.filter_height} * windows.filter_width;
  if (taps > kMostTaps)
    return std::to_string(taps) + " pixels of a window exceed 2^23, whose sum int32 holds; pool in two steps";
  const std::int64_t outputs = windows.m() * windows.channels;
  if (outputs > INT_MAX) return std::to_string(outputs) + " elements of the output exceed 2^31-1; split the images";
  return {};
}

}  // namespace immabench
