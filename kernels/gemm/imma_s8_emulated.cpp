// The IMMA kernels, compiled for the emulated machine.
#include <gemm/gemm_instances.hpp>
#include <gemm/imma_s8.cuh>
#include <simt/host/launch.hpp>

namespace immabench {
namespace {

template <class Config>
simt::host::Report emulate(const GemmArguments& arguments, simt::host::GlobalMemory& memory,
                           const simt::host::Options& options) {
  const ImmaS8Parameters parameters = make_parameters(arguments);
  const simt::host::LaunchShape shape{
      {block_count(Config::tile, arguments)}, Config::tile.threads(), Config::tile.shared_bytes()};
  return is_aligned(arguments) ? simt::host::launch(shape, memory, options, [&] { imma_s8_kernel<Config, true>(parameters); })
                               : simt::host::launch(shape, memory, options, [&] { imma_s8_kernel<Config, false>(parameters); });
}

}  // namespace

template <>
void fill_imma_emulated<IMMABENCH_SHARD>(EmulateGemm (&table)[kImmaTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kImmaTileCount>(
      [&]<int kIndex>() { table[kIndex] = &emulate<ImmaConfigAt<kIndex>>; });
}

}  // namespace immabench
