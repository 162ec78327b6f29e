// The wgmma kernel by each of its policies: persistent in a cluster that shares operands, split along K and swapped, and byte
// by byte where addresses are odd. More tiles than blocks, and more K tiles than stages.
#include <gemm/wgmma_s8.cuh>

#include "harness.hpp"

using namespace immabench;
using simt::host::Operation;

template <class Config>
void run(const mutants::Problem& problem) {
  mutants::run(problem, [](const GemmArguments& arguments, auto& memory, const auto& options) {
    constexpr WgmmaTile kTile = Config::tile;
    const simt::host::LaunchShape shape{
        {block_count(kTile, arguments)}, kTile.threads(), kTile.shared_bytes(), kTile.cluster()};
    const auto parameters = make_parameters(kTile, arguments);
    return simt::host::launch(shape, memory, options, [&] {
      if (is_aligned(arguments))
        wgmma_s8_kernel<Config, true>(parameters);
      else
        wgmma_s8_kernel<Config, false>(parameters);
    });
  });
}

int main() {
  const std::vector<Operation> counted{Operation::kWgmma, Operation::kBulkLoad};
  run<WgmmaConfig<128, 64, 2, 2, 1, 1, 3, false>>({"cluster", 300, 200, 736, counted});
  run<WgmmaConfig<16, 128, 2, 1, 1, 2, 3, true>>({"split", 20, 100, 1312, counted});
  run<WgmmaConfig<64, 64, 1, 1, 1, 1, 2, false>>({"ragged", 70, 66, 401, {Operation::kWgmma}});
}
