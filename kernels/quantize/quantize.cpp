#include <quantize/quantize.hpp>

#include <climits>
#include <cstdint>
#include <vector>

#include <companion_instances.hpp>
#include <quantize/row_config.hpp>

namespace immabench {
namespace {

constexpr const char* kFloats = "f32|f16|bf16";

std::string make_id(const std::string& family, int threads) { return family + "_t" + std::to_string(threads) + "_sm80"; }

template <class Arguments>
std::vector<Companion<Arguments>> elementwise(const std::string& family, const OperandTypes& types) {
  std::vector<Companion<Arguments>> table;
  append(
      table,
      {.id = make_id(family, kElementwiseThreads), .family = family, .operand_types = types, .threads = kElementwiseThreads});
  return table;
}

template <class Arguments>
std::vector<Companion<Arguments>> by_rows(const std::string& family) {
  std::vector<Companion<Arguments>> table;
  for (const RowConfig& config : kRowConfigs) {
    append(table, {.id = make_id(family, config.threads),
                   .family = family,
                   .operand_types = {{"x", kFloats}, {"codes", "s8"}},
                   .threads = config.block_threads(),
                   .shared_bytes = config.shared_bytes(),
                   .row_threads = config.threads,
                   .resident_columns = config.resident_columns(),
                   .streams = config.streams});
  }
  return table;
}

}  // namespace

template <>
std::span<const Companion<QuantizeArguments>> companions() {
  static const auto table = elementwise<QuantizeArguments>("quantize", {{"x", kFloats}, {"codes", "s8|s4"}});
  return table;
}
template <>
std::span<const Companion<DequantizeArguments>> companions() {
  static const auto table = elementwise<DequantizeArguments>("dequantize", {{"codes", "s8|s4"}, {"out", kFloats}});
  return table;
}
template <>
std::span<const Companion<RequantizeArguments>> companions() {
  static const auto table = elementwise<RequantizeArguments>("requantize", {{"x", "s32|s8"}, {"codes", "s8"}});
  return table;
}
template <>
std::span<const Companion<PackS4Arguments>> companions() {
  static const auto table = elementwise<PackS4Arguments>("pack_s4", {{"codes", "s8"}, {"packed", "s4"}});
  return table;
}
template <>
std::span<const Companion<UnpackS4Arguments>> companions() {
  static const auto table = elementwise<UnpackS4Arguments>("unpack_s4", {{"packed", "s4"}, {"codes", "s8"}});
  return table;
}
template <>
std::span<const Companion<ReorderWeightsArguments>> companions() {
  static const auto table =
      elementwise<ReorderWeightsArguments>("reorder_weights", {{"codes", "s4|u4|s8"}, {"packed", "s4|u4|s8"}});
  return table;
}
template <>
std::span<const Companion<QuantizeDynamicArguments>> companions() {
  static const auto table = by_rows<QuantizeDynamicArguments>("quantize_dynamic");
  return table;
}
template <>
std::span<const Companion<LayerNormQuantizeArguments>> companions() {
  static const auto table = by_rows<LayerNormQuantizeArguments>("layernorm_quantize");
  return table;
}

std::string illegal_reason(const CompanionConfig& config, int rows, int columns) {
  if (rows < 1 || columns < 1) return "rows and columns must be at least 1";
  if (!config.row_threads) {
    const std::int64_t vectors = std::int64_t{rows} * ((columns - 1) / kSmallestVector + 1);
    if (vectors <= INT_MAX) return {};
    return std::to_string(vectors) + " vectors of " + std::to_string(kSmallestVector) + " exceed 2^31-1; split the rows";
  }
  if (columns > kLargestRow) {
    return std::to_string(columns) + " columns exceed " + std::to_string(kLargestRow) +
           ", the most whose number fp32 holds and whose codes' sum int32 holds";
  }
  if (columns > config.resident_columns && !config.streams) {
    return std::to_string(columns) + " columns exceed the " + std::to_string(config.resident_columns) + " that " +
           std::to_string(config.row_threads) + " threads hold; take a configuration with more threads a row";
  }
  return {};
}

}  // namespace immabench
