// Launches of the int8 wgmma kernel on a GPU, instance by instance. Its code is for sm_90a alone: elsewhere it is empty, and
// the table of kernels says where it runs.
#pragma once
#include <gemm/wgmma_launch_cuda.cuh>
#include <gemm/wgmma_s8.cuh>

namespace immabench::inline SIMT_TARGET {

template <class Operands, class Config>
int launch_wgmma(const GemmArguments& arguments, std::uint64_t stream) {
  const auto run = [&]<bool kAligned>() {
    return launch_clusters(wgmma_s8_kernel<Operands, Config, kAligned>, Config::tile, block_count(Config::tile, arguments),
                           make_parameters<Operands, Config>(arguments), stream);
  };
  if constexpr (Operands::kRagged) {
    if (!Operands::is_aligned(arguments)) return run.template operator()<false>();
  }
  return run.template operator()<true>();
}

}  // namespace immabench::inline SIMT_TARGET
