// The wgmma kernels, compiled for the GPU, and their launch. Their code is for sm_90a alone: elsewhere they are empty, and the
// table of kernels says where they run.
#include <gemm/wgmma_launch_cuda.cuh>
#include <gemm/wgmma_s8.cuh>

namespace immabench {
namespace {

template <class Config>
int launch(const GemmArguments& arguments, std::uint64_t stream) {
  const auto kernel = is_aligned(arguments) ? wgmma_s8_kernel<Config, true> : wgmma_s8_kernel<Config, false>;
  return launch_clusters(kernel, Config::tile, block_count(Config::tile, arguments), make_parameters(Config::tile, arguments),
                         stream);
}

}  // namespace

template <>
void fill_wgmma_cuda<IMMABENCH_SHARD>(LaunchGemm (&table)[kWgmmaTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaTileCount>(
      [&]<int kIndex>() { table[kIndex] = &launch<WgmmaConfigAt<kIndex>>; });
}

}  // namespace immabench
