// Runs one tile of the IMMA kernel on a ragged problem in the three orders and prints what the machine found. test_mutants.py
// compiles it against the kernels as they are, and against copies with one bug put in.
#include <gemm/imma_s8.cuh>
#include <simt/host/launch.hpp>

#include <cstdio>
#include <memory>
#include <random>
#include <set>

using namespace immabench;
using namespace simt::host;

using Config = ImmaConfig<64, 64, 64, 2, 2, 3>;
constexpr int kM = 70, kN = 92, kK = 432;  // ragged everywhere; the last K tile lies in stage 0, where the slabs go

template <class T>
std::unique_ptr<T[], void (*)(void*)> allocate(std::size_t count) {
  return {static_cast<T*>(std::aligned_alloc(256, (count * sizeof(T) + 255) / 256 * 256)), std::free};
}

int main() {
  const auto a = allocate<std::int8_t>(kM * kK), b = allocate<std::int8_t>(kN * kK);
  const auto out = allocate<std::int32_t>(kM * kN);
  std::mt19937 generator(1);
  for (int i = 0; i < kM * kK; ++i) a[i] = static_cast<std::int8_t>(generator());
  for (int i = 0; i < kN * kK; ++i) b[i] = static_cast<std::int8_t>(generator());

  GemmS8Arguments arguments;
  arguments.a = reinterpret_cast<std::uint64_t>(a.get()), arguments.b = reinterpret_cast<std::uint64_t>(b.get());
  arguments.out = reinterpret_cast<std::uint64_t>(out.get());
  arguments.m = kM, arguments.n = kN, arguments.k = kK;
  const LaunchShape shape{{block_count(Config::tile, arguments)}, Config::tile.threads(), Config::tile.shared_bytes()};

  for (const Order order : {Order::kForward, Order::kReverse, Order::kRandom}) {
    std::fill(out.get(), out.get() + kM * kN, 0x5A5A5A5A);
    GlobalMemory memory;
    memory.add(a.get(), kM * kK, Access::kRead);
    memory.add(b.get(), kN * kK, Access::kRead);
    memory.add(out.get(), kM * kN * 4, Access::kWrite);
    Options options;
    options.order = order;
    options.max_hazards = 100000;
    const Report report = launch(shape, memory, options, [&] { imma_s8_kernel<Config, true>(make_parameters(arguments)); });

    int wrong = 0;
    for (int i = 0; i < kM; ++i) {
      for (int j = 0; j < kN; ++j) {
        int sum = 0;
        for (int k = 0; k < kK; ++k) sum += a[i * kK + k] * b[j * kK + k];
        wrong += sum != out[i * kN + j];
      }
    }
    std::set<std::string> kinds;
    for (const Hazard& hazard : report.hazards) kinds.insert(name(hazard.kind));
    std::printf("wrong=%d", wrong);
    for (const Operation operation :
         {Operation::kLdmatrix, Operation::kSharedStore, Operation::kSharedLoad, Operation::kAsyncCopyShared}) {
      const auto& t = report.counts.of(operation);
      std::printf(" %s=%.2f", name(operation), t.ideal ? double(t.units) / double(t.ideal) : 0.0);
    }
    std::printf(" hazards=");
    for (const std::string& kind : kinds) std::printf("%s,", kind.c_str());
    std::printf("\n");
  }
}
