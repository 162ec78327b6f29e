// Runs a kernel on one problem in the three orders and prints what the machine found, a line an order. test_mutants.py compiles
// the programs beside this against the kernels as they are, and against copies with one bug put in.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <set>

#include <gemm/gemm.hpp>
#include <simt/host/launch.hpp>

namespace mutants {

using namespace simt::host;

template <class T>
std::unique_ptr<T[], void (*)(void*)> allocate(std::size_t count) {
  return {static_cast<T*>(std::aligned_alloc(256, (count * sizeof(T) + 255) / 256 * 256)), std::free};
}

// Memory that starts on 256 bytes and is poisoned, so that what nobody wrote is not right by chance.
template <class T>
struct Buffer {
  std::unique_ptr<T[], void (*)(void*)> data;
  int count;

  explicit Buffer(int n) : data(allocate<T>(std::size_t(n))), count(n) {
    std::memset(data.get(), 0x5A, std::size_t(n) * sizeof(T));
  }
  T& operator[](int i) { return data[std::size_t(i)]; }
  std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(data.get()); }
  void add_to(GlobalMemory& memory, Access access) const { memory.add(data.get(), std::size_t(count) * sizeof(T), access); }
};

using Launch = std::function<Report(const immabench::GemmArguments&, GlobalMemory&, const Options&)>;

// A problem with int32 output, or the same as fp32; A is a matrix, or the images of a convolution. `count` are the operations
// whose units are printed over the ideal.
struct Problem {
  const char* label;
  int m, n, k;
  std::vector<Operation> count;
  // The weight of a row at k, of a random word.
  std::function<std::int8_t(int, int, std::uint32_t)> weight = [](int, int, std::uint32_t random) {
    return static_cast<std::int8_t>(random);
  };
  bool floats = false;
  int b_bits = 8;  // of the elements of B
  int batch = 1;
  immabench::ConvolutionArguments convolution = {};
};

// What row `i` of A has at `k`: where A is an image, 0 outside of it.
inline int element(const Problem& problem, const std::int8_t* a, int i, int k) {
  const immabench::ConvolutionArguments& c = problem.convolution;
  if (!c.present()) return a[i * problem.k + k];
  const int tap = k / c.channels, line = i / c.out_width();
  const int x = i % c.out_width() * c.stride_width - c.padding_width + tap % c.filter_width * c.dilation_width;
  const int y = line % c.out_height() * c.stride_height - c.padding_height + tap / c.filter_width * c.dilation_height;
  if (x < 0 || x >= c.width || y < 0 || y >= c.height) return 0;
  return a[((line / c.out_height() * c.height + y) * c.width + x) * c.channels + k % c.channels];
}

// FILE:LINE with most units beyond the ideal, of the operations that are counted; nothing where all are at the ideal.
inline std::string worst_line(const Problem& problem, const Report& report) {
  std::uint64_t most = 0;
  std::string place;
  for (const LineCounts& line : report.lines) {
    const std::uint64_t excess = line.transactions.units - line.transactions.ideal;
    if (excess <= most || std::ranges::find(problem.count, line.operation) == problem.count.end()) continue;
    most = excess, place = line.file + ":" + std::to_string(line.line);
  }
  return place;
}

inline void print(const Problem& problem, const Report& report, int wrong) {
  std::set<std::string> kinds;
  for (const Hazard& hazard : report.hazards) kinds.insert(name(hazard.kind));
  std::printf("kernel=%s wrong=%d", problem.label, wrong);
  for (const Operation operation : problem.count) {
    const auto& t = report.counts.of(operation);
    std::printf(" %s=%llu/%llu", name(operation), static_cast<unsigned long long>(t.units),
                static_cast<unsigned long long>(t.ideal));
  }
  std::printf(" worst=%s", worst_line(problem, report).c_str());
  std::printf(" hazards=");
  for (const std::string& kind : kinds) std::printf("%s,", kind.c_str());
  std::printf("\n");
}

inline void run(const Problem& problem, const Launch& launch) {
  const int m = problem.m, n = problem.n, k = problem.k, all_m = problem.batch * m, all_n = problem.batch * n;
  const auto size = [](int rows, int columns) { return static_cast<std::size_t>(rows * columns); };
  const immabench::ConvolutionArguments& c = problem.convolution;
  const std::size_t a_size = c.present() ? size(c.images * c.height * c.width, c.channels) : size(all_m, k);
  const auto a = allocate<std::int8_t>(a_size), b = allocate<std::int8_t>(size(all_n, k));
  const auto out = allocate<std::int32_t>(size(all_m, n));
  std::mt19937 generator(1);
  for (std::size_t i = 0; i < a_size; ++i) a[i] = static_cast<std::int8_t>(generator());
  for (int i = 0; i < all_n * k; ++i) {
    const std::int8_t weight = problem.weight(i / k, i % k, static_cast<std::uint32_t>(generator()));
    b[i] = static_cast<std::int8_t>(weight >> (8 - problem.b_bits));
  }
  immabench::GemmArguments arguments;
  arguments.a = reinterpret_cast<std::uint64_t>(a.get()), arguments.b = reinterpret_cast<std::uint64_t>(b.get());
  arguments.out = reinterpret_cast<std::uint64_t>(out.get());
  arguments.m = m, arguments.n = n, arguments.k = k, arguments.batch = problem.batch;
  arguments.convolution = c;
  if (problem.floats) arguments.epilogue.output = immabench::OutputType::kF32;
  arguments.multiprocessors = 2;

  for (const Order order : {Order::kForward, Order::kReverse, Order::kRandom}) {
    std::fill(out.get(), out.get() + all_m * n, 0x5A5A5A5A);
    GlobalMemory memory;
    memory.add(a.get(), a_size, Access::kRead);
    memory.add(b.get(), size(all_n, k), Access::kRead);
    memory.add(out.get(), size(all_m, n) * 4, Access::kWrite);
    Options options;
    options.order = order;
    options.max_hazards = 100000;
    const Report report = launch(arguments, memory, options);
    int wrong = 0;
    for (int i = 0; i < all_m; ++i) {
      const int first_column = i / m * n;
      for (int j = 0; j < n; ++j) {
        int sum = 0;
        for (int x = 0; x < k; ++x) sum += element(problem, a.get(), i, x) * b[(first_column + j) * k + x];
        const std::int32_t want = problem.floats ? std::bit_cast<std::int32_t>(static_cast<float>(sum)) : sum;
        wrong += want != out[i * n + j];
      }
    }
    print(problem, report, wrong);
  }
}

}  // namespace mutants
