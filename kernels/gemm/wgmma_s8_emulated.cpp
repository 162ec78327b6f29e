// The wgmma kernels, compiled for the emulated machine.
#include <gemm/gemm_instances.hpp>
#include <gemm/wgmma_s8.cuh>
#include <simt/host/launch.hpp>

namespace immabench {
namespace {

template <class Config>
simt::host::Report emulate(const GemmArguments& arguments, simt::host::GlobalMemory& memory,
                           const simt::host::Options& options) {
  constexpr WgmmaTile kTile = Config::tile;
  const WgmmaS8Parameters parameters = make_parameters(kTile, arguments);
  const simt::host::LaunchShape shape{{block_count(kTile, arguments)}, kTile.threads(), kTile.shared_bytes(), kTile.cluster()};
  return is_aligned(arguments)
             ? simt::host::launch(shape, memory, options, [&] { wgmma_s8_kernel<Config, true>(parameters); })
             : simt::host::launch(shape, memory, options, [&] { wgmma_s8_kernel<Config, false>(parameters); });
}

}  // namespace

template <>
void fill_wgmma_emulated<IMMABENCH_SHARD>(EmulateGemm (&table)[kWgmmaTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaTileCount>(
      [&]<int kIndex>() { table[kIndex] = &emulate<WgmmaConfigAt<kIndex>>; });
}

}  // namespace immabench
