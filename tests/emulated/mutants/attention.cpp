// Fused attention of two sequences, one without keys that count: three tiles of keys, the last of them short; the same where
// shares hardly differ; and codes of one short tile. Against softmax attention in double, within the width of a code.
#include <attention/attention_s8.cuh>
#include <cmath>
#include <quantize/run_emulated.hpp>

#include "harness.hpp"

using namespace immabench;
using mutants::Buffer;
using simt::host::Operation;

namespace {

constexpr int kBatch = 2, kHeads = 2, kQueries = 70;
constexpr float kOutScale = 0.5f;

// Half of the queries are negative, and so are all of their scores: 0, that of no key, is not the largest.
template <class Config>
struct Tokens {
  static constexpr int kDepth = Config::tile.depth;
  int keys;
  float scale;
  Buffer<std::int8_t> q{kBatch * kQueries * kHeads * kDepth}, k{kBatch * keys * kHeads * kDepth}, v{k.count};
  Buffer<std::int32_t> lengths{kBatch};

  Tokens(int count, float of_scores) : keys(count), scale(of_scores) {
    std::mt19937 generator(1);
    const auto draw = [&](int most) { return 1 + int(generator() % unsigned(most)); };
    for (int i = 0; i < q.count; ++i) q[i] = std::int8_t(i / (kHeads * kDepth) % 2 ? draw(30) : -draw(30));
    for (int i = 0; i < k.count; ++i) k[i] = std::int8_t(draw(127));
    for (int i = 0; i < v.count; ++i) v[i] = std::int8_t(generator());
    lengths[0] = 0, lengths[1] = keys;
  }
  TokenMatrix matrix(const Buffer<std::int8_t>& tokens, int count) const {
    return {tokens.address(), std::int64_t{count} * kHeads * kDepth, kHeads * kDepth, kDepth};
  }
  AttentionArguments arguments(std::uint64_t out, OutputType type) const {
    AttentionArguments a;
    a.q = matrix(q, kQueries), a.k = matrix(k, keys), a.v = matrix(v, keys), a.out = out, a.lengths = lengths.address();
    a.scale = scale, a.v_scale = 1, a.output = type, a.out_scale = kOutScale;
    a.batch = kBatch, a.heads = kHeads, a.queries = kQueries, a.keys = keys, a.depth = kDepth;
    return a;
  }

  // Output `at` in double.
  double want(int at) {
    const int column = at % (kHeads * kDepth), query = at / (kHeads * kDepth), batch = query / kQueries;
    if (!lengths[batch]) return 0;
    const int head = column / kDepth * kDepth;
    std::vector<double> scores;
    for (int key = 0, row = batch * keys * kHeads * kDepth + head; key < keys; ++key, row += kHeads * kDepth) {
      int score = 0;
      for (int i = 0; i < kDepth; ++i) score += q[query * kHeads * kDepth + head + i] * k[row + i];
      scores.push_back(score);
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0, values = 0;
    for (int key = 0; key < keys; ++key) {
      const double e = std::exp((scores[std::size_t(key)] - largest) * double(scale));
      sum += e, values += e * v[(batch * keys + key) * kHeads * kDepth + column];
    }
    return values / sum;
  }
};

template <class Config, class Out>
void run(const mutants::Problem& problem, float scale, OutputType type) {
  Tokens<Config> tokens(problem.n, scale);
  for (const auto order : {simt::host::Order::kForward, simt::host::Order::kReverse, simt::host::Order::kRandom}) {
    Buffer<Out> out{tokens.q.count};
    simt::host::GlobalMemory memory;
    for (const auto* input : {&tokens.q, &tokens.k, &tokens.v}) input->add_to(memory, simt::host::Access::kRead);
    tokens.lengths.add_to(memory, simt::host::Access::kRead), out.add_to(memory, simt::host::Access::kWrite);
    simt::host::Options options;
    options.order = order, options.max_hazards = 100000;
    const auto report = run_emulated(plan<Config>(tokens.arguments(out.address(), type)), memory, options);
    int wrong = 0;
    for (int i = 0; i < out.count; ++i) {
      const double got = type == OutputType::kS8 ? double(out[i]) * double(kOutScale) : double(out[i]);
      wrong += !(std::abs(got - std::clamp(tokens.want(i), -64.0, 63.5)) < 1.0) && std::abs(tokens.want(i)) < 64;
    }
    mutants::print(problem, report, wrong);
  }
}

}  // namespace

int main() {
  using enum Operation;
  const std::vector<Operation> counted = {kLdmatrix, kAsyncCopyShared, kGlobalStore};
  run<AttentionConfig<4, 64, 64, 2, 4>, float>({"tiles", kQueries, 150, 64, counted}, 1.0f / 8192, OutputType::kF32);
  run<AttentionConfig<4, 64, 64, 2, 4>, float>({"flat", kQueries, 150, 64, counted}, 0x1p-24f, OutputType::kF32);
  run<AttentionConfig<4, 128, 32, 2, 3>, std::int8_t>({"codes", kQueries, 100, 32, counted}, 1.0f / 8192, OutputType::kS8);
}
