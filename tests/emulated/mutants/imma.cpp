// One tile of the IMMA kernel on a problem that is ragged everywhere, and on a batch of such; the last K tile lies in stage 0,
// where the slabs go.
#include <gemm/mma_gemm.cuh>
#include <parts/row_major_operands.cuh>

#include "harness.hpp"

using namespace immabench;
using simt::host::Operation;
using simt::host::Report;

using Operands = RowMajorOperands<simt::S8>;
using Config = MmaConfig<64, 64, 64, 2, 2, 3>;

Report launch(const GemmArguments& arguments, simt::host::GlobalMemory& memory, const simt::host::Options& options) {
  const simt::host::LaunchShape shape{{unsigned(block_count(Config::tile, Operands::widths, arguments))},
                                      Config::tile.threads(),
                                      Config::tile.shared_bytes(Operands::widths)};
  const auto parameters = make_parameters<Operands, Config>(arguments);
  return simt::host::launch(shape, memory, options, [&] { mma_gemm_kernel<Operands, Config, true>(parameters); });
}

int main() {
  const std::vector<Operation> count{Operation::kLdmatrix, Operation::kSharedStore, Operation::kSharedLoad,
                                     Operation::kAsyncCopyShared};
  mutants::run({.label = "imma", .m = 70, .n = 92, .k = 432, .count = count}, launch);
  mutants::run({.label = "batch", .m = 70, .n = 92, .k = 432, .count = count, .batch = 3}, launch);
}
