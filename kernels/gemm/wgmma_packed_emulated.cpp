// The wgmma kernels with packed weights, compiled for the emulated machine.
#include <gemm/gemm_instances.hpp>
#include <gemm/wgmma_packed.cuh>
#include <simt/host/launch.hpp>

namespace immabench {
namespace {

template <class Config>
simt::host::Report emulate(const GemmArguments& arguments, simt::host::GlobalMemory& memory,
                           const simt::host::Options& options) {
  constexpr WgmmaPackedTile kTile = Config::tile;
  const auto parameters = make_packed_parameters<Config>(arguments);
  const simt::host::LaunchShape shape{{block_count(kTile, arguments)}, kTile.threads(), kTile.shared_bytes(), kTile.cluster()};
  return simt::host::launch(shape, memory, options, [&] { wgmma_packed_kernel<Config>(parameters); });
}

}  // namespace

template <>
void fill_wgmma_packed_emulated<IMMABENCH_SHARD>(EmulateGemm (&table)[kWgmmaPackedTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaPackedTileCount>(
      [&]<int kIndex>() { table[kIndex] = &emulate<WgmmaPackedConfigAt<kIndex>>; });
}

}  // namespace immabench
