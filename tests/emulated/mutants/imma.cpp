// One tile of the IMMA kernel on a problem that is ragged everywhere; the last K tile lies in stage 0, where the slabs go.
#include <gemm/mma_gemm.cuh>
#include <parts/row_major_operands.cuh>

#include "harness.hpp"

using namespace immabench;
using simt::host::Operation;

int main() {
  using Operands = RowMajorOperands<simt::S8>;
  using Config = MmaConfig<64, 64, 64, 2, 2, 3>;
  mutants::run({"imma",
                70,
                92,
                432,
                {Operation::kLdmatrix, Operation::kSharedStore, Operation::kSharedLoad, Operation::kAsyncCopyShared}},
               [](const GemmArguments& arguments, auto& memory, const auto& options) {
                 const simt::host::LaunchShape shape{{unsigned(block_count(Config::tile, Operands::widths, arguments))},
                                                     Config::tile.threads(),
                                                     Config::tile.shared_bytes(Operands::widths)};
                 const auto parameters = make_parameters<Operands, Config>(arguments);
                 return simt::host::launch(shape, memory, options,
                                           [&] { mma_gemm_kernel<Operands, Config, true>(parameters); });
               });
}
