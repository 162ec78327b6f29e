// What CUTLASS' kernels fetch and where their results go, on the CPU: CUTLASS' own iterators, made as kernels/cutlass makes
// them, fill the tiles of shared memory, and the sums of products of those go where the visitor puts them. Compared with the
// definition of the product or convolution. Shared memory's swizzles, fragments and instructions are CUTLASS' business.
// Prints one line a case: name, wrong results, the first of them.
#include <cuda_runtime_api.h>

#include <barrier>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// What CUTLASS' headers name of the device. Of it the barrier alone is called: a block's threads are this machine's.
inline std::optional<std::barrier<>> block_barrier;
inline uint3 blockIdx, threadIdx;
inline dim3 blockDim, gridDim;
inline void __syncthreads() { block_barrier->arrive_and_wait(); }
inline void __syncwarp() {}
inline int __syncthreads_and(int value) { return value; }
template <class T>
T __shfl_sync(unsigned, T value, int) {
  return value;
}
extern "C" cudaError_t cudaMemsetAsync(void*, int, std::size_t, cudaStream_t) { return cudaSuccess; }
extern "C" cudaError_t cudaGetLastError() { return cudaSuccess; }
namespace cutlass::arch {
inline int LaneId() { return 0; }
inline int SmId() { return 0; }
}  // namespace cutlass::arch

#include <cutlass/cutlass_tile.hpp>
#include <cutlass/cutlass_types.cuh>
#include <gemm/gemm_instances.hpp>
#include <simt/fragments.hpp>

using namespace immabench;

namespace {

using Bytes = std::vector<std::uint8_t>;

// Random, and on 16 bytes, as vectors of bytes are.
Bytes random_bytes(std::size_t count) {
  static std::uint64_t state = 1;
  Bytes bytes(count);
  for (auto& byte : bytes) byte = std::uint8_t((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
  return bytes;
}

// Element `index` of packed signed integers.
int element(const std::uint8_t* bytes, std::int64_t index, int bits) {
  if (bits == 8) return std::int8_t(bytes[index]);
  return std::int8_t(bytes[index / 2] << (index % 2 ? 0 : 4)) >> 4;
}

// ---- the definitions: A[m, k] of the product or of the patches, 0 outside of images

int a_of_definition(const GemmArguments& g, const std::uint8_t* a, int entry, int m, int k, int bits) {
  const ConvolutionArguments& c = g.convolution;
  if (!c.present()) return element(a, (std::int64_t{entry} * g.m + m) * g.k + k, bits);
  const int channel = k % c.channels, tap = k / c.channels, pixel = m % (c.out_height() * c.out_width());
  const int image = m / (c.out_height() * c.out_width());
  const int y = pixel / c.out_width() * c.stride_height - c.padding_height + tap / c.filter_width * c.dilation_height;
  const int x = pixel % c.out_width() * c.stride_width - c.padding_width + tap % c.filter_width * c.dilation_width;
  if (y < 0 || y >= c.height || x < 0 || x >= c.width) return 0;
  return element(a, ((std::int64_t{image} * c.height + y) * c.width + x) * c.channels + channel, bits);
}

std::vector<int> definition(const GemmArguments& g, const Bytes& a, const Bytes& b, int bits) {
  std::vector<int> out(std::size_t(g.batch) * g.m * g.n);
  std::vector<int> row(g.k);
  for (int entry = 0; entry < g.batch; ++entry) {
    for (int m = 0; m < g.m; ++m) {
      for (int k = 0; k < g.k; ++k) row[k] = a_of_definition(g, a.data(), entry, m, k, bits);
      for (int n = 0; n < g.n; ++n) {
        int& sum = out[(std::size_t(entry) * g.m + m) * g.n + n];
        for (int k = 0; k < g.k; ++k) sum += row[k] * element(b.data(), (std::int64_t{entry} * g.n + n) * g.k + k, bits);
      }
    }
  }
  return out;
}

// ---- the kernel

// One step of a thread's way: what it copies into the tile, `strided` rows of `contiguous` elements.
template <class Iterator>
void copy_chunks(Iterator& iterator, int thread, int bits, int contiguous, std::vector<int>& tile) {
  using Map = typename Iterator::ThreadMap;
  const auto start = Map::initial_offset(thread);
  iterator.set_iteration_index(0);
  for (int s = 0; s < Map::Iterations::kStrided; ++s) {
    for (int c = 0; c < Map::Iterations::kContiguous; ++c, ++iterator) {
      const int row = start.strided() + s * Map::Delta::kStrided, first = start.contiguous() + c * Map::Delta::kContiguous;
      const auto* from = reinterpret_cast<const std::uint8_t*>(iterator.get());
      for (int i = 0; i < 128 / bits; ++i)
        tile.at(row * contiguous + first + i) = iterator.valid() ? element(from, i, bits) : 0;
    }
  }
}

template <class Instance>
void next_tile(typename Instance::Mma::IteratorA& a, typename Instance::Mma::IteratorB& b) {
  if constexpr (requires { a.advance(); }) {
    a.advance(), b.advance();
  } else {
    a.add_tile_offset({0, 1}), b.add_tile_offset({1, 0});
  }
}

template <class Instance>
std::vector<int> tile_sums(const typename Instance::Parameters& p, const cutlass::gemm::GemmCoord& at) {
  constexpr MmaTile kTile = Instance::kTile;
  constexpr int kBits = Instance::kWidths.a_bits, kM = kTile.block_m, kN = kTile.block_n, kK = kTile.block_k;
  std::vector<typename Instance::Mma::IteratorA> a;
  std::vector<typename Instance::Mma::IteratorB> b;
  for (int thread = 0; thread < kTile.threads(); ++thread) {
    a.push_back(Instance::a_of(p, at, thread)), b.push_back(Instance::b_of(p, at, thread));
  }
  std::vector<int> sums(kM * kN), a_tile(kM * kK), b_tile(kN * kK);
  for (int step = 0; step < p.k_tiles; ++step) {
    for (int thread = 0; thread < kTile.threads(); ++thread) {
      copy_chunks(a[thread], thread, kBits, kK, a_tile), copy_chunks(b[thread], thread, kBits, kK, b_tile);
      next_tile<Instance>(a[thread], b[thread]);
    }
    for (int m = 0; m < kM; ++m) {
      for (int n = 0; n < kN; ++n) {
        for (int k = 0; k < kK; ++k) sums[m * kN + n] += a_tile[m * kK + k] * b_tile[n * kK + k];
      }
    }
  }
  return sums;
}

// What a block's visitors were given, by place in the output; rows and columns beyond it are dropped, as by the kernel.
struct Results {
  std::vector<int> sums, written;
};

// The visitor of kernels/cutlass, but for what it does with sums.
template <class Visitor>
struct Recorder {
  struct Params {
    const EpilogueParameters& epilogue;
    Results& results;
  };
  using Arguments = Params;
  using SharedStorage = typename Visitor::SharedStorage;

  struct Callbacks {
    typename Visitor::Callbacks callbacks;
    Results& results;

    void visit(int step, int row, int column, int, const cutlass::Array<int, 4>& sums) {
      const int m = callbacks.first_row + Visitor::row_offset(step, row);
      const int first_n = callbacks.first_column + Visitor::column_offset(column);
      for (int i = 0; i < 4; ++i) {
        if (m >= callbacks.p.m || first_n + i >= callbacks.p.n) continue;
        const std::size_t place = std::size_t(m) * callbacks.p.n + first_n + i;
        results.sums.at(place) = sums[i];
        ++results.written.at(place);
      }
    }
    void begin_epilogue() {}
    void begin_step(int) {}
    void begin_row(int) {}
    void end_row(int) {}
    void end_step(int) {}
    void end_epilogue() {}
  };

  Params params;
  Recorder(const Params& p, SharedStorage&) : params(p) {}
  Callbacks get_callbacks(const cutlass::gemm::GemmCoord& tile, int thread, int shape) const {
    SharedStorage none;
    return {Visitor(params.epilogue, none).get_callbacks(tile, thread, shape), params.results};
  }
};

// The sums of a tile as the warps' registers hold them: of a warp, instructions' results along M first.
template <class Instance>
typename Instance::Mma::FragmentC fragment_of(const std::vector<int>& sums, int warp, int lane) {
  constexpr MmaTile kTile = Instance::kTile;
  constexpr int kAlongM = kTile.warp_m() / 16, kAlongN = kTile.warp_n() / 8;
  typename Instance::Mma::FragmentC fragment;
  static_assert(decltype(fragment)::kElements == kAlongM * kAlongN * 4);
  const int first_m = warp % kTile.warps_m * kTile.warp_m(), first_n = warp / kTile.warps_m * kTile.warp_n();
  for (int n = 0; n < kAlongN; ++n) {
    for (int m = 0; m < kAlongM; ++m) {
      for (int e = 0; e < 4; ++e) {
        const auto at = simt::fragments::accumulator_element(lane, e);
        fragment[(n * kAlongM + m) * 4 + e] = sums[(first_m + m * 16 + at.row) * kTile.block_n + first_n + n * 8 + at.column];
      }
    }
  }
  return fragment;
}

template <class Instance>
void store_tile(const typename Instance::Parameters& p, const cutlass::gemm::GemmCoord& at, const std::vector<int>& sums,
                Results& results) {
  using Visitor = Recorder<typename Instance::Visited::Visitor>;
  using Epilogue = typename Instance::Visited::template EpilogueOf<Visitor>;
  const auto shared = std::make_unique<typename Epilogue::SharedStorage>();
  const typename Visitor::Params params{p.epilogue, results};
  block_barrier.emplace(Instance::kTile.threads());
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < Instance::kTile.threads(); ++thread) {
    threads.emplace_back([&, thread] {
      const int warp = thread / 32, lane = thread % 32;
      Epilogue(params, *shared, thread, warp, lane)(fragment_of<Instance>(sums, warp, lane), at, 0, thread);
    });
  }
}

template <class Instance>
void check(const char* types, const std::string& what, GemmArguments g) {
  constexpr MmaTile kTile = Instance::kTile;
  constexpr int kBits = Instance::kWidths.a_bits;
  const ConvolutionArguments& c = g.convolution;
  const std::int64_t elements =
      c.present() ? std::int64_t{c.images} * c.height * c.width * c.channels : std::int64_t{g.m} * g.k;
  const Bytes a = random_bytes(g.batch * elements * kBits / 8), b = random_bytes(std::size_t(g.batch) * g.n * g.k * kBits / 8);
  g.a = reinterpret_cast<std::uint64_t>(a.data()), g.b = reinterpret_cast<std::uint64_t>(b.data());
  const std::vector<int> expected = definition(g, a, b, kBits);
  Results results{std::vector<int>(expected.size()), std::vector<int>(expected.size())};
  const auto p = Instance::make_parameters(g);
  for (int entry = 0; entry < p.tiles.count.k(); ++entry) {
    for (int tile_m = 0; tile_m < p.tiles.count.m(); ++tile_m) {
      for (int tile_n = 0; tile_n < p.tiles.count.n(); ++tile_n) {
        const cutlass::gemm::GemmCoord at(tile_m, tile_n, entry);
        store_tile<Instance>(p, at, tile_sums<Instance>(p, at), results);
      }
    }
  }
  std::size_t bad = 0;
  std::string first;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const int found = results.sums[i], written = results.written[i];
    if (found == expected[i] && written == 1) continue;
    if (bad++ == 0)
      first = "at " + std::to_string(i) + ": " + std::to_string(found) + ", not " + std::to_string(expected[i]) + "; written " +
              std::to_string(written) + " times";
  }
  std::printf("%s_%dx%dx%d_w%dx%d_s%d_sm80 %s\t%zu\t%s\n", types, kTile.block_m, kTile.block_n, kTile.block_k, kTile.warps_m,
              kTile.warps_n, kTile.stages, what.c_str(), bad, first.c_str());
}

template <class Table, int kBits>
void check_gemms(const char* types) {
  for_each_index<0, 1, kTileCount<Table>>([&]<int kIndex>() {
    using Instance = GemmInstance<kBits, MmaConfigAt<Table, kIndex>>;
    constexpr MmaTile kTile = Instance::kTile;
    constexpr int kChunk = 128 / kBits;
    check<Instance>(types, "one chunk", {.m = 1, .n = 1, .k = kChunk});
    check<Instance>(types, "ragged", {.m = kTile.block_m + 3, .n = kTile.block_n + 6, .k = 2 * kTile.block_k + kChunk});
    check<Instance>(types, "batch", {.m = kTile.block_m - 1, .n = 9, .k = kTile.block_k, .batch = 3});
  });
}

void check_convolutions(const char* types) {
  const struct {
    const char* what;
    int filters;
    ConvolutionArguments c;
  } cases[] = {
      {"pointwise", 5, {.images = 3, .height = 6, .width = 7, .channels = 16}},
      {"padded",
       70,
       {.images = 2,
        .height = 9,
        .width = 11,
        .channels = 80,
        .filter_height = 3,
        .filter_width = 3,
        .padding_height = 1,
        .padding_width = 1}},
      {"uneven",
       9,
       {.images = 2,
        .height = 17,
        .width = 12,
        .channels = 48,
        .filter_height = 3,
        .filter_width = 2,
        .stride_height = 2,
        .stride_width = 3,
        .padding_height = 2,
        .padding_width = 1,
        .dilation_height = 2,
        .dilation_width = 3}},
  };
  for_each_index<0, 1, kTileCount<CutlassConvS8Tiles>>([&]<int kIndex>() {
    for (const auto& [what, filters, c] : cases) {
      check<FpropInstance<MmaConfigAt<CutlassConvS8Tiles, kIndex>>>(
          types, what, {.m = int(c.m()), .n = filters, .k = int(c.k()), .convolution = c});
    }
  });
}

}  // namespace

int main() {
  check_gemms<CutlassS8Tiles, 8>("cutlass_s8s8s32");
  check_gemms<CutlassS4Tiles, 4>("cutlass_s4s4s32");
  check_convolutions("cutlass_conv_s8s8s32");
}
