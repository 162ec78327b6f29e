// LayerNorm with codes by each row's own range: a block a row, aligned and ragged, and a warp a row with a partial last block;
// against the definition in double. Codes of ties, against the quotient. And weights reordered, against the place of each code.
#include <cmath>
#include <cstdint>
#include <cstring>

#include <quantize/layernorm_quantize.cuh>
#include <quantize/quantize.cuh>
#include <quantize/reorder_weights.cuh>
#include <quantize/run_emulated.hpp>

#include "harness.hpp"

using namespace immabench;
using mutants::Buffer;
using simt::host::Operation;

namespace {

// Is the row what LayerNorm makes of it, to 1e-4, and are its codes the nearest of the scale it states?
int wrong_in_row(const float* x, const float* gamma, const float* y, const std::int8_t* codes, float scale, int row_sum,
                 int columns) {
  double mean = 0, squares = 0, largest = 0;
  int wrong = 0, sum = 0;
  for (int i = 0; i < columns; ++i) mean += x[i] / double(columns);
  for (int i = 0; i < columns; ++i) squares += (x[i] - mean) * (x[i] - mean) / columns;
  for (int i = 0; i < columns; ++i) {
    const double want = (x[i] - mean) / std::sqrt(squares + 1e-5) * gamma[i];
    wrong += !(std::abs(y[i] - want) < 1e-4) || std::abs(codes[i] - y[i] / scale) > 0.5001;
    largest = std::max(largest, std::abs(want));
    sum += codes[i];
  }
  return wrong + !(std::abs(scale * 127 - largest) < 1e-4) + (sum != row_sum);
}

// A launch's operands: values around 2 in, poison out.
struct Matrices {
  int rows, columns;
  Buffer<float> x{rows * columns}, y{rows * columns}, gamma{columns}, beta{columns}, scale{rows};
  Buffer<std::int8_t> codes{rows * columns};
  Buffer<std::int32_t> row_sum{rows};

  Matrices(int r, int c) : rows(r), columns(c) {
    std::mt19937 generator(1);
    std::normal_distribution<float> normal(2, 1);
    for (int i = 0; i < rows * columns; ++i) x[i] = normal(generator);
    for (int i = 0; i < columns; ++i) gamma[i] = normal(generator), beta[i] = 0;
  }
  LayerNormQuantizeArguments arguments() const {
    LayerNormQuantizeArguments a;
    a.x = x.address(), a.normalised = y.address(), a.gamma = gamma.address(), a.beta = beta.address();
    a.codes = codes.address(), a.scale = scale.address(), a.row_sum = row_sum.address();
    a.eps = 1e-5f, a.dynamic = true, a.rows = rows, a.columns = columns;
    return a;
  }
  void add_to(simt::host::GlobalMemory& memory) const {
    for (const auto* input : {&x, &gamma, &beta}) input->add_to(memory, simt::host::Access::kRead);
    for (const auto* output : {&y, &scale}) output->add_to(memory, simt::host::Access::kWrite);
    codes.add_to(memory, simt::host::Access::kWrite), row_sum.add_to(memory, simt::host::Access::kWrite);
  }
  int wrong() {
    int total = 0;
    for (int row = 0, at = 0; row < rows; ++row, at += columns)
      total += wrong_in_row(&x[at], &gamma[0], &y[at], &codes[at], scale[row], row_sum[row], columns);
    return total;
  }
};

template <int kThreads, int kElements>
void run(const mutants::Problem& problem) {
  for (const auto order : {simt::host::Order::kForward, simt::host::Order::kReverse, simt::host::Order::kRandom}) {
    Matrices matrices(problem.m, problem.n);
    simt::host::GlobalMemory memory;
    matrices.add_to(memory);
    simt::host::Options options;
    options.order = order, options.max_hazards = 100000;
    const auto report = run_emulated(plan<RowConfigType<kThreads, kElements, false>>(matrices.arguments()), memory, options);
    mutants::print(problem, report, matrices.wrong());
  }
}

// Every tie of a code at a scale of each row's own, with the floats on either side.
void run_ties(const mutants::Problem& problem) {
  const int rows = problem.m, columns = problem.n;
  Buffer<float> x{rows * columns}, scale{rows};
  Buffer<std::int8_t> codes{rows * columns};
  for (int row = 0, at = 0; row < rows; ++row) {
    scale[row] = 0.1f + 0.037f * float(row);
    for (int i = 0; i < columns; ++i, ++at) {
      const float tie = (float(i / 3 % 256 - 128) + 0.5f) * scale[row];
      x[at] = i % 3 == 0 ? tie : std::nextafter(tie, i % 3 == 1 ? 1e9f : -1e9f);
    }
  }
  QuantizeArguments arguments{.x = x.address(), .codes = codes.address(), .scale = scale.address()};
  arguments.granularity = Granularity::kRow, arguments.rows = rows, arguments.columns = columns;
  for (const auto order : {simt::host::Order::kForward, simt::host::Order::kReverse, simt::host::Order::kRandom}) {
    simt::host::GlobalMemory memory;
    for (const auto* input : {&x, &scale}) input->add_to(memory, simt::host::Access::kRead);
    codes.add_to(memory, simt::host::Access::kWrite);
    simt::host::Options options;
    options.order = order;
    const auto report = run_emulated(plan(arguments), memory, options);
    int wrong = 0;
    for (int at = 0; at < rows * columns; ++at) {
      const float rounded = std::nearbyint(x[at] / scale[at / columns]);
      wrong += codes[at] != int(std::min(std::max(rounded, -128.0f), 127.0f));
    }
    mutants::print(problem, report, wrong);
  }
}

// The low nibble first: code c of word w of lane 4r + q is of row r + 8 (c mod 2), at k = 16w + 4q + c / 2 of its block.
int wrong_codes(Buffer<std::uint8_t>& codes, Buffer<std::uint8_t>& packed, int rows, int columns) {
  int wrong = 0;
  const auto nibble = [](Buffer<std::uint8_t>& of, int i) { return of[i / 2] >> 4 * (i % 2) & 0xF; };
  for (int i = 0; i < 2 * packed.count; ++i) {
    const int code = i % 8, word = i / 8 % 4, lane = i / 32 % 32, block = i / 1024, blocks = (columns + 63) / 64;
    const int row = block / blocks * 16 + lane / 4 + 8 * (code % 2);
    const int column = block % blocks * 64 + 16 * word + 4 * (lane % 4) + code / 2;
    const bool inside = row < rows && column < columns;
    wrong += nibble(packed, i) != (inside ? nibble(codes, row * columns + column) ^ 8 : 0);
  }
  return wrong;
}

// Signed codes of 4 bits as unsigned ones, in the blocks of w4m8.
void run_reordering(const mutants::Problem& problem) {
  const int rows = problem.m, columns = problem.n;
  Buffer<std::uint8_t> codes{rows * columns / 2}, packed{(rows + 15) / 16 * ((columns + 63) / 64) * 512};
  std::mt19937 generator(1);
  for (int i = 0; i < codes.count; ++i) codes[i] = std::uint8_t(generator());
  const ReorderWeightsArguments arguments{
      .codes = codes.address(), .packed = packed.address(), .to_unsigned = true, .rows = rows, .columns = columns};
  for (const auto order : {simt::host::Order::kForward, simt::host::Order::kReverse, simt::host::Order::kRandom}) {
    simt::host::GlobalMemory memory;
    codes.add_to(memory, simt::host::Access::kRead), packed.add_to(memory, simt::host::Access::kWrite);
    simt::host::Options options;
    options.order = order;
    const auto report = run_emulated(plan(arguments), memory, options);
    mutants::print(problem, report, wrong_codes(codes, packed, rows, columns));
  }
}

}  // namespace

int main() {
  using enum Operation;
  run<128, 16>({"block", 3, 1024, 0, {kSharedStore, kSharedLoad, kGlobalLoad, kGlobalStore}});
  run<128, 16>({"ragged", 3, 1021, 0, {kSharedStore, kSharedLoad}});
  run_ties({"ties", 8, 768, 0, {Operation::kGlobalLoad, Operation::kGlobalStore}});
  run_reordering({"blocks", 40, 640, 0, {kGlobalLoad, kGlobalStore}});
  run_reordering({"ragged-blocks", 21, 150, 0, {kGlobalStore}});
  run<32, 32>({"warp", 5, 768, 0, {kGlobalLoad, kGlobalStore}});
}
