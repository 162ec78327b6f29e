// The epilogue of CUTLASS' kernels by wgmma on the emulated machine: the sums of a problem in the registers that CuTe's layouts
// of CUTLASS' own MMA say they are in, tile after tile, and what it makes of them against our kernel by mma.sync, bit for bit.
// The machine reports races in boxes, too. Prints one line a case: id, case, wrong bytes and hazards, the first of them.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

// What CUTLASS' headers name of the device, and do not call here.
inline uint3 blockIdx, threadIdx;
inline dim3 blockDim, gridDim;
inline void __syncthreads() {}
inline void __syncwarp() {}
template <class T>
T __shfl_sync(unsigned, T value, int) {
  return value;
}
namespace cutlass::arch {
inline int LaneId() { return 0; }
inline int SmId() { return 0; }
}  // namespace cutlass::arch
#define CUTLASS_SM90_COLLECTIVE_BUILDER_SUPPORTED  // else said under nvcc alone

#include <cutlass/cutlass3_description.hpp>
#include <cutlass/cutlass3_types.cuh>
#include <gemm/mma_launch_emulated.hpp>
#include <parts/row_major_operands.cuh>
#include <simt/host/global_memory.hpp>

using namespace immabench;

namespace {

constexpr int kK = 32;

template <class T>
std::uint64_t address_of(const std::vector<T>& values) {
  return reinterpret_cast<std::uint64_t>(values.data());
}

int random_integer(int low, int high) {
  static std::uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return low + int((state >> 33) % std::uint64_t(high - low + 1));
}

template <class T>
std::vector<T> random_values(std::size_t count, int low, int high, T scale = 1) {
  std::vector<T> values(count);
  for (T& value : values) value = T(random_integer(low, high)) * scale;
  return values;
}

struct Case {
  const char* what;
  OutputType output;
  int more_m, more_n;  // than one tile
  bool scales = true, everything = false;
  int batch = 1;
};

constexpr Case kCases[] = {
    {.what = "sums", .output = OutputType::kS32, .more_m = 70, .more_n = 12, .scales = false},
    {.what = "f32", .output = OutputType::kF32, .more_m = 1, .more_n = 132},
    {.what = "f16", .output = OutputType::kF16, .more_m = 130, .more_n = 8},
    {.what = "bf16", .output = OutputType::kBF16, .more_m = -3, .more_n = 72},
    {.what = "ragged", .output = OutputType::kS32, .more_m = 65, .more_n = 3, .scales = false},
    {.what = "everything", .output = OutputType::kS8, .more_m = 9, .more_n = 20, .everything = true},
    {.what = "batch", .output = OutputType::kF16, .more_m = 5, .more_n = -8, .everything = true, .batch = 3},
};

// A call, and what its addresses are of.
struct Call {
  GemmArguments arguments;
  std::vector<std::int8_t> a, b;
  std::vector<float> row_scale, col_scale, bias, residual, out_scale;
  std::vector<std::int32_t> a_zero, b_sum, out_zero;

  Call(const Case& c, const Cutlass3Tile& tile) {
    GemmArguments& g = arguments;
    g = {.m = tile.block_m + c.more_m, .n = tile.block_n + c.more_n, .k = kK, .batch = c.batch};
    const std::size_t m = std::size_t(g.m) * g.batch, n = std::size_t(g.n) * g.batch;
    a = random_values<std::int8_t>(m * kK, -128, 127), b = random_values<std::int8_t>(n * kK, -128, 127);
    g.a = address_of(a), g.b = address_of(b);
    EpilogueArguments& e = g.epilogue;
    e.output = c.output;
    if (c.scales) {
      row_scale = random_values<float>(m, 1, 99, 1e-3f), col_scale = random_values<float>(n, 1, 99, 1e-2f);
      bias = random_values<float>(n, -500, 500, 1e-2f);
      e.row_scale = address_of(row_scale), e.col_scale = address_of(col_scale), e.bias = address_of(bias);
      e.row_scale_stride = e.col_scale_stride = 1;
    }
    if (!c.everything) return;
    a_zero = random_values<std::int32_t>(m, -127, 127), b_sum = random_values<std::int32_t>(n, -4000, 4000);
    residual = random_values<float>(m * g.n, -900, 900, 1e-2f);
    out_scale = random_values<float>(n, 1, 99, 1e-1f), out_zero = random_values<std::int32_t>(n, -128, 127);
    e.a_zero = address_of(a_zero), e.b_sum = address_of(b_sum), e.residual = address_of(residual);
    e.out_scale = address_of(out_scale), e.out_zero = address_of(out_zero);
    e.a_zero_stride = e.out_scale_stride = e.out_zero_stride = 1;
    e.activation = Activation::kGelu;
  }

  template <class Launch>
  simt::host::Report run(std::vector<std::uint8_t>& out, Launch&& launch) {
    out.assign(std::size_t(arguments.batch) * arguments.m * arguments.n * bytes_of(arguments.epilogue.output) + 16, 0);
    arguments.out = (address_of(out) + 15) / 16 * 16;
    simt::host::GlobalMemory memory;
    const auto add = [&](const auto& values) {
      memory.add(values.data(), values.size() * sizeof(values[0]), simt::host::Access::kRead);
    };
    add(a), add(b), add(row_scale), add(col_scale), add(bias), add(residual), add(out_scale), add(a_zero), add(b_sum);
    add(out_zero);
    memory.add(reinterpret_cast<const void*>(arguments.out), out.size() - 16, simt::host::Access::kWrite);
    return launch(memory);
  }

  // In the registers' place: the sum at a row and column of a product, any number beyond them.
  int sum(int product, int row, int column) const {
    if (row >= arguments.m || column >= arguments.n) return 12345;
    int total = 0;
    for (int k = 0; k < kK; ++k) {
      total +=
          a[(std::size_t(product) * arguments.m + row) * kK + k] * b[(std::size_t(product) * arguments.n + column) * kK + k];
    }
    return total;
  }
};

struct TilePlace {
  int m, n, product;
};

// Every tile, clusters filled up, as the scheduler deals them out in some order.
std::vector<TilePlace> all_tiles(const GemmArguments& g, const Cutlass3Tile& tile) {
  std::vector<TilePlace> places;
  for (int product = 0; product < g.batch; ++product) {
    for (int m = 0; m < ceil_divide(g.m, tile.block_m * tile.cluster_m) * tile.cluster_m; ++m) {
      for (int n = 0; n < ceil_divide(g.n, tile.block_n * tile.cluster_n) * tile.cluster_n; ++n)
        places.push_back({m, n, product});
    }
  }
  return places;
}

// What a thread of a consuming warpgroup does, but for the products.
template <class Config>
void store_tiles(const typename BoxEpilogue<Config>::Params& p, const Call& call, const std::vector<TilePlace>& places) {
  constexpr Cutlass3Tile kTile = Config::tile;
  using TiledMma = typename Cutlass3Instance<Config>::Mainloop::TiledMma;
  using BlockShape = cute::Shape<cute::Int<kTile.block_m>, cute::Int<kTile.block_n>>;
  const int thread = int(simt::thread_index()), consumer = thread / kWarpgroupThreads - 1;
  if (consumer < 0) return;
  // As kernel/sm90_gemm_tma_warpspecialized_cooperative.hpp counts a tile's threads: the last warpgroup is the first.
  const int of_tile = thread % int(decltype(cute::size(TiledMma{}))::value);
  const auto coordinates = TiledMma{}.get_slice(of_tile).partition_C(cute::make_identity_tensor(BlockShape{}));
  BoxEpilogue<Config> epilogue(p);
  constexpr bool kPingpong = kTile.schedule == Cutlass3Schedule::kPingpong;
  const int first = kTile.persistent() ? kPingpong * consumer : int(simt::block_index_x());
  const int step = kTile.persistent() ? 1 + kPingpong : int(places.size());
  for (int i = first; i < int(places.size()); i += step) {
    const auto [m, n, product] = places[i];
    auto sums = cute::partition_fragment_C(TiledMma{}, BlockShape{});
    for (int j = 0; j < int(cute::size(sums)); ++j) {
      sums(j) = call.sum(product, m * kTile.block_m + int(cute::get<0>(coordinates(j))),
                         n * kTile.block_n + int(cute::get<1>(coordinates(j))));
    }
    epilogue(0, 0, cute::make_coord(m, n, 0, product), sums, TiledMma{}, 0, of_tile, nullptr);
    if (kPingpong) epilogue.drain();
  }
  epilogue.drain();
}

template <int kIndex>
void check(const Case& c) {
  using Config = Cutlass3ConfigAt<Cutlass3S8Tiles, kIndex>;
  constexpr Cutlass3Tile kTile = Config::tile;
  Call call(c, kTile);
  std::vector<std::uint8_t> expected, found;
  const simt::host::Options options{.order = simt::host::Order::kRandom, .seed = std::uint64_t(kIndex)};
  call.run(expected, [&](auto& memory) {
    return emulate_mma<RowMajorOperands<simt::S8>, MmaConfigAt<S8Tiles, 4>>(call.arguments, memory, options);
  });
  const std::uint64_t expected_at = call.arguments.out;
  const simt::host::Report report = call.run(found, [&](auto& memory) {
    const auto places = all_tiles(call.arguments, kTile);
    const auto p = BoxEpilogue<Config>::make_arguments(call.arguments);
    const unsigned blocks = kTile.persistent() ? 1 : unsigned(places.size());
    const simt::host::LaunchShape shape{{blocks}, unsigned(kTile.threads()), unsigned(kTile.shared_bytes())};
    return simt::host::launch(shape, memory, options, [&] { store_tiles<Config>(p, call, places); });
  });
  std::uint64_t bad = report.hazard_total;
  std::string first = report.hazards.empty() ? "" : "a hazard at line " + std::to_string(report.hazards[0].site.line);
  for (std::size_t i = 0; i + 16 < expected.size(); ++i) {
    const auto at = [i](std::uint64_t base) { return reinterpret_cast<const std::uint8_t*>(base)[i]; };
    if (at(expected_at) == at(call.arguments.out)) continue;
    if (bad++ == 0) first = "byte " + std::to_string(i);
  }
  const std::string id = make_id("cutlass3_s8s8s32", kTile);
  std::printf("%s %s\t%llu\t%s\n", id.c_str(), c.what, static_cast<unsigned long long>(bad), first.c_str());
}

}  // namespace

int main() {
  for_each_index<0, 1, kTileCount<Cutlass3S8Tiles>>([]<int kIndex>() {
    for (const Case& c : kCases) check<kIndex>(c);
  });
}
