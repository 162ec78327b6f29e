// One tile of the IMMA kernel on a problem that is ragged everywhere; the last K tile lies in stage 0, where the slabs go.
#include <gemm/imma_s8.cuh>

#include "harness.hpp"

using namespace immabench;
using simt::host::Operation;

int main() {
  using Config = ImmaConfig<64, 64, 64, 2, 2, 3>;
  mutants::run({"imma",
                70,
                92,
                432,
                {Operation::kLdmatrix, Operation::kSharedStore, Operation::kSharedLoad, Operation::kAsyncCopyShared}},
               [](const GemmArguments& arguments, auto& memory, const auto& options) {
                 const simt::host::LaunchShape shape{
                     {block_count(Config::tile, arguments)}, Config::tile.threads(), Config::tile.shared_bytes()};
                 const auto parameters = make_parameters(arguments);
                 return simt::host::launch(shape, memory, options, [&] { imma_s8_kernel<Config, true>(parameters); });
               });
}
