// The table of CUTLASS' kernels, with their ids.
#include <utility>
#include <vector>

#include <gemm/mma_description.hpp>

#include "cutlass3_description.hpp"
#include "cutlass_gemm.hpp"
#include "cutlass_instances.hpp"

namespace immabench {
namespace {

template <class Table>
void append(std::vector<GemmKernel>& kernels, const char* types, const char* family, const GemmOperands& operands) {
  LaunchGemm launch[kTileCount<Table>] = {};
#if defined(IMMABENCH_CUTLASS_VERSION)
  fill_cutlass<Table>(launch);
#endif
  for (int i = 0; i < kTileCount<Table>; ++i) {
    const MmaTile& tile = Table::tiles[i];
    kernels.push_back({make_id(types, tile), family, operands, describe(tile, Table::widths), nullptr, launch[i], "cutlass"});
  }
}

template <class Table>
void append_wgmma(std::vector<GemmKernel>& kernels, const char* types, const char* family, const GemmOperands& operands) {
  LaunchGemm launch[kTileCount<Table>] = {};
#if defined(IMMABENCH_CUTLASS3)
  [&]<int... kShard>(std::integer_sequence<int, kShard...>) {
    (fill_cutlass3<Table, kShard>(launch), ...);
  }(std::make_integer_sequence<int, IMMABENCH_SHARDS>{});
#endif
  for (int i = 0; i < kTileCount<Table>; ++i) {
    const Cutlass3Tile& tile = Table::tiles[i];
    kernels.push_back({make_id(types, tile), family, operands, describe(tile), nullptr, launch[i], "cutlass"});
  }
}

std::vector<GemmKernel> make_kernels() {
  std::vector<GemmKernel> kernels;
  append<CutlassS8Tiles>(kernels, "cutlass_s8s8s32", "gemm_s8", {});
  append_wgmma<Cutlass3S8Tiles>(kernels, "cutlass3_s8s8s32", "gemm_s8", {});
  append<CutlassS4Tiles>(kernels, "cutlass_s4s4s32", "gemm_w4a4", {.a = OperandType::kS4, .b = OperandType::kS4});
  append<CutlassConvS8Tiles>(kernels, "cutlass_conv_s8s8s32", "conv2d_s8", {.image = true});
  return kernels;
}

}  // namespace

std::string cutlass_version() {
#if defined(IMMABENCH_CUTLASS_VERSION)
  return IMMABENCH_CUTLASS_VERSION;
#else
  return {};
#endif
}

std::span<const GemmKernel> cutlass_kernels() {
  static const auto kernels = make_kernels();
  return kernels;
}

}  // namespace immabench
