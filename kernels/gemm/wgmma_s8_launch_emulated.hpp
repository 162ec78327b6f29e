// Launches of the int8 wgmma kernel on the emulated machine, instance by instance.
#pragma once
#include <gemm/gemm_instances.hpp>
#include <gemm/wgmma_s8.cuh>
#include <simt/host/launch.hpp>

namespace immabench::inline SIMT_TARGET {

template <class Operands, class Config>
simt::host::Report emulate_wgmma(const GemmArguments& arguments, simt::host::GlobalMemory& memory,
                                 const simt::host::Options& options) {
  constexpr WgmmaTile kTile = Config::tile;
  const auto parameters = make_parameters<Operands, Config>(arguments);
  const simt::host::LaunchShape shape{{block_count(kTile, arguments)}, kTile.threads(), kTile.shared_bytes(), kTile.cluster()};
  const auto run = [&]<bool kAligned>() {
    return simt::host::launch(shape, memory, options, [&] { wgmma_s8_kernel<Operands, Config, kAligned>(parameters); });
  };
  if constexpr (Operands::kRagged) {
    if (!Operands::is_aligned(arguments)) return run.template operator()<false>();
  }
  return run.template operator()<true>();
}

}  // namespace immabench::inline SIMT_TARGET
