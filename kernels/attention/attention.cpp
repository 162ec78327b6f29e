#include <attention/attention.hpp>

#include <attention/attention_tile.hpp>
#include <climits>
#include <companion_instances.hpp>
#include <quantize/quantize.hpp>
#include <quantize/row_config.hpp>

namespace immabench {
namespace {

std::string too_many_keys(const std::string& keys) {
  return keys + " exceed " + std::to_string(kMostKeys) + ", the most whose products with values int32 holds";
}

std::string make_id(const AttentionTile& tile) {
  const auto number = [](int value) { return std::to_string(value); };
  return "attention_s8_" + number(tile.queries()) + "x" + number(tile.keys) + "_d" + number(tile.depth) + "_s" +
         number(tile.stages) + "_sm80";
}

// Are all rows of all heads on 16 bytes, and near enough to be counted by int32?
bool is_loadable(const TokenMatrix& m) {
  const std::uint64_t rows =
      m.data | std::uint64_t(m.batch_stride) | std::uint64_t(m.token_stride) | std::uint64_t(m.head_stride);
  return rows % 16 == 0 && m.token_stride <= INT_MAX;
}

}  // namespace

template <>
std::span<const Companion<SoftmaxQuantizeArguments>> companions() {
  static const auto table = [] {
    std::vector<Companion<SoftmaxQuantizeArguments>> rows;
    for (const RowConfig& config : kRowConfigs) {
      append_companion(rows, {.id = companion_id("softmax_quantize", config.threads),
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

template <>
std::span<const Companion<AttentionArguments>> companions() {
  static const auto table = [] {
    std::vector<Companion<AttentionArguments>> tiles;
    for (const AttentionTile& tile : kAttentionTiles) {
      append_companion(tiles, {.id = make_id(tile),
                               .family = "attention_s8",
                               .operand_types = {{"q", "s8"}, {"k", "s8"}, {"v", "s8"}, {"out", "f32|f16|bf16|s8"}},
                               .threads = tile.threads(),
                               .shared_bytes = tile.shared_bytes(),
                               .block_tile = {tile.queries(), tile.keys, tile.depth}});
    }
    return tiles;
  }();
  return table;
}

std::string illegal_reason(const CompanionConfig& config, const SoftmaxQuantizeArguments& a) {
  if (a.columns > kMostKeys) return too_many_keys(std::to_string(a.columns) + " columns");
  return illegal_reason(config, a.rows, a.columns);
}

std::string illegal_reason(const CompanionConfig& config, const AttentionArguments& a) {
  const auto [queries, keys, depth] = config.block_tile;
  if (a.batch < 1 || a.heads < 1 || a.queries < 1 || a.keys < 1) return "batch, heads, queries and keys must be at least 1";
  if (a.depth != depth)
    return "computes heads of depth " + std::to_string(depth) + ", not " + std::to_string(a.depth) + "; take a kernel of that";
  if (a.keys > kMostKeys) return too_many_keys(std::to_string(a.keys) + " keys");
  const std::int64_t blocks = std::int64_t{a.batch} * a.heads * ((a.queries - 1) / queries + 1);
  if (blocks > INT_MAX || std::int64_t{a.heads} * depth > INT_MAX) return "more blocks than 2^31-1; split the batch";
  if (!is_loadable(a.q) || !is_loadable(a.k) || !is_loadable(a.v))
    return "rows of q, k or v do not start on 16 bytes, or lie 2^31 bytes apart; pass contiguous copies";
  if (a.out % 16) return "the output does not start on 16 bytes; pass an aligned one";
  return {};
}

}  // namespace immabench
