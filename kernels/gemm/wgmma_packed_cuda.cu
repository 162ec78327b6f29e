// The wgmma kernels with packed weights, compiled for the GPU, and their launch. Their code is for sm_90a alone: elsewhere they
// are empty, and the table of kernels says where they run.
#include <gemm/wgmma_launch_cuda.cuh>
#include <gemm/wgmma_packed.cuh>

namespace immabench {
namespace {

template <class Config>
int launch(const GemmArguments& arguments, std::uint64_t stream) {
  return launch_clusters(wgmma_packed_kernel<Config>, Config::tile, block_count(Config::tile, arguments),
                         make_packed_parameters<Config>(arguments), stream);
}

}  // namespace

template <>
void fill_wgmma_packed_cuda<IMMABENCH_SHARD>(LaunchGemm (&table)[kWgmmaPackedTileCount]) {
  for_each_index<IMMABENCH_SHARD, IMMABENCH_SHARDS, kWgmmaPackedTileCount>(
      [&]<int kIndex>() { table[kIndex] = &launch<WgmmaPackedConfigAt<kIndex>>; });
}

}  // namespace immabench
