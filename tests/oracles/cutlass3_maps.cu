// What CUTLASS tells the driver of the operands of a kernel by wgmma, and how many blocks it launches: the driver's function is
// the one below, which notes its arguments. Prints one line a tile and problem: id, problem, disagreements, the first of them.
#include <cstdio>
#include <string>
#include <vector>

#include <cutlass/cutlass3_description.hpp>
#include <cutlass/cutlass3_kernel.cuh>

using namespace immabench;

namespace {

struct Told {
  std::uint64_t base;
  std::vector<std::uint64_t> extent, strides;
  std::vector<std::uint32_t> box;
  bool bytes, swizzled, zeros;
  bool operator==(const Told&) const = default;
};
std::vector<Told> told;

std::string bad;
int mistakes;
void expect(bool right, const char* what) {
  if (!right && mistakes++ == 0) bad = what;
}

// A K-major operand: lines of 128 bytes, of which each block of a cluster fetches its part of the rows.
Told operand(std::uint64_t base, const GemmArguments& g, int rows, int box_rows) {
  const auto k = std::uint64_t(g.k), m = std::uint64_t(rows);
  return {base, {k, m, std::uint64_t(g.batch)}, {k, m * k}, {128, std::uint32_t(box_rows), 1}, true, true, true};
}

unsigned rounded(int extent, int tile, int cluster) { return unsigned(ceil_divide(extent, tile * cluster) * cluster); }

template <class Instance>
void expect_grid(const typename Instance::Kernel::Params& p, const GemmArguments& g) {
  constexpr Cutlass3Tile kTile = Instance::kTile;
  const dim3 grid = Instance::Kernel::get_grid_shape(p);
  const unsigned m = rounded(g.m, kTile.block_m, kTile.cluster_m), n = rounded(g.n, kTile.block_n, kTile.cluster_n);
  expect(grid.x % kTile.cluster_m == 0 && grid.y % kTile.cluster_n == 0, "clusters that are not whole");
  if (kTile.persistent())
    expect(grid.x * grid.y * grid.z <= unsigned(g.multiprocessors), "more blocks than multiprocessors");
  else
    expect(grid.x == m && grid.y == n && grid.z == unsigned(g.batch), "not a block a tile");
}

template <int kIndex>
void check(const char* what, const GemmArguments& g) {
  using Instance = Cutlass3Instance<Cutlass3ConfigAt<Cutlass3S8Tiles, kIndex>>;
  constexpr Cutlass3Tile kTile = Instance::kTile;
  told.clear(), bad.clear(), mistakes = 0;
  const auto p = make_cutlass3_parameters<Instance>(g);
  expect(told.size() == 2, "not two tensor maps");
  expect(told.size() == 2 && told[0] == operand(g.a, g, g.m, kTile.block_m / kTile.cluster_n), "the map of A");
  expect(told.size() == 2 && told[1] == operand(g.b, g, g.n, kTile.block_n / kTile.cluster_m), "the map of B");
  expect_grid<Instance>(p, g);
  std::printf("%s %s\t%d\t%s\n", make_id("cutlass3_s8s8s32", kTile).c_str(), what, mistakes, bad.c_str());
}

}  // namespace

namespace immabench::inline SIMT_TARGET {
simt::TensorMap encode(const simt::TensorDescription&) { return {}; }  // of the output: tensor_maps.cu has it
}  // namespace immabench::inline SIMT_TARGET

extern "C" CUresult CUDAAPI cuTensorMapEncodeTiled(CUtensorMap*, CUtensorMapDataType type, cuuint32_t rank, void* base,
                                                   const cuuint64_t* extent, const cuuint64_t* strides, const cuuint32_t* box,
                                                   const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle swizzle,
                                                   CUtensorMapL2promotion, CUtensorMapFloatOOBfill fill) {
  told.push_back({reinterpret_cast<std::uint64_t>(base),
                  {extent, extent + rank},
                  {strides, strides + rank - 1},
                  {box, box + rank},
                  type == CU_TENSOR_MAP_DATA_TYPE_UINT8,
                  swizzle == CU_TENSOR_MAP_SWIZZLE_128B,
                  fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE});
  return CUDA_SUCCESS;
}

int main() {
  for_each_index<0, 1, kTileCount<Cutlass3S8Tiles>>([]<int kIndex>() {
    check<kIndex>("one chunk", {.a = 4096, .b = 8192, .out = 256, .m = 1, .n = 1, .k = 16});
    check<kIndex>("ragged", {.a = 4096, .b = 8192, .out = 256, .m = 1027, .n = 777, .k = 4080});
    check<kIndex>("batch", {.a = 4096, .b = 8192, .out = 256, .m = 300, .n = 520, .k = 192, .batch = 5});
    check<kIndex>("many tiles", {.a = 4096, .b = 8192, .out = 256, .m = 4096, .n = 8192, .k = 512});
  });
}
