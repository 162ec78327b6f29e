// Launches of the mma.sync kernel on the emulated machine, instance by instance.
#pragma once
#include <gemm/gemm_instances.hpp>
#include <gemm/mma_gemm.cuh>
#include <simt/host/launch.hpp>

namespace immabench::inline SIMT_TARGET {

template <class Operands, class Config>
simt::host::Report emulate_mma(const GemmArguments& arguments, simt::host::GlobalMemory& memory,
                               const simt::host::Options& options) {
  const auto parameters = make_parameters<Operands, Config>(arguments);
  const simt::host::LaunchShape shape{{unsigned(block_count(Config::tile, Operands::widths, arguments))},
                                      Config::tile.threads(),
                                      Config::tile.shared_bytes(Operands::widths)};
  const auto run = [&]<bool kAligned>() {
    return simt::host::launch(shape, memory, options, [&] { mma_gemm_kernel<Operands, Config, kAligned>(parameters); });
  };
  if constexpr (Operands::kRagged) {
    if (!Operands::is_aligned(arguments)) return run.template operator()<false>();
  }
  return run.template operator()<true>();
}

// The launches of this shard's tiles of a table.
template <class Operands, class Table>
void fill_launches(EmulateGemm (&table)[kTileCount<Table>]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kTileCount<Table>>(
      [&]<int kIndex>() { table[kIndex] = &emulate_mma<Operands, MmaConfigAt<Table, kIndex>>; });
}

}  // namespace immabench::inline SIMT_TARGET
