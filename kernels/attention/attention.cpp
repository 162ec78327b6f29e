#include <attention/attention.hpp>

#include <companion_instances.hpp>
#include <quantize/quantize.hpp>
#include <quantize/row_config.hpp>

namespace immabench {
namespace {

std::string too_many_keys(const std::string& keys) {
  return keys + " exceed " + std::to_string(kMostKeys) + ", the most whose products with values int32 holds";
}

}  // namespace

template <>
std::span<const Companion<SoftmaxQuantizeArguments>> companions() {
  static const auto table = [] {
    std::vector<Companion<SoftmaxQuantizeArguments>> rows;
    for (const RowConfig& config : kRowConfigs) {
      append(rows, {.id = "softmax_quantize_t" + std::to_string(config.threads) + "_sm80",
                    .family = "softmax_quantize",
                    .operand_types = {{"x", "s32"}, {"codes", "s8"}},
                    .threads = config.block_threads(),
                    .shared_bytes = config.shared_bytes(),
                    .row_threads = config.threads,
                    .resident_columns = config.resident_columns(),
                    .streams = config.streams});
    }
    return rows;
  }();
  return table;
}

std::string illegal_reason(const CompanionConfig& config, const SoftmaxQuantizeArguments& a) {
  if (a.columns > kMostKeys) return too_many_keys(std::to_string(a.columns) + " columns");
  return illegal_reason(config, a.rows, a.columns);
}

}  // namespace immabench
