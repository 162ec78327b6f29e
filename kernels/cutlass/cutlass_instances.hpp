// How CUTLASS' instances reach its table of kernels.
#pragma once
#include <cutlass/cutlass_tile.hpp>
#include <gemm/gemm.hpp>

namespace immabench {

template <class Table>
void fill_cutlass(LaunchGemm (&table)[kTileCount<Table>]);

}  // namespace immabench
