// The types that CUTLASS' kernels by wgmma are made of.
#pragma once
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>
#include <cstddef>
#include <tuple>

#include "cutlass3_epilogue.cuh"

namespace immabench::inline SIMT_TARGET {

template <class Config>
struct Cutlass3Instance {
  static constexpr Cutlass3Tile kTile = Config::tile;
  using BlockTile = cute::Shape<cute::Int<kTile.block_m>, cute::Int<kTile.block_n>, cute::Int<kTile.block_k>>;
  using Cluster = cute::Shape<cute::Int<kTile.cluster_m>, cute::Int<kTile.cluster_n>, cute::_1>;
  using Schedule =
      std::tuple_element_t<int(kTile.schedule),
                           std::tuple<cutlass::gemm::KernelTmaWarpSpecialized, cutlass::gemm::KernelTmaWarpSpecializedPingpong,
                                      cutlass::gemm::KernelTmaWarpSpecializedCooperative>>;
  using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, std::int8_t, cutlass::layout::RowMajor, 16, std::int8_t,
      cutlass::layout::ColumnMajor, 16, std::int32_t, BlockTile, Cluster, cutlass::gemm::collective::StageCount<kTile.stages>,
      Schedule>::CollectiveOp;
  using Kernel = cutlass::gemm::kernel::GemmUniversal<cute::Shape<int, int, int, int>, Mainloop, BoxCollective<Config>>;
  static_assert(Kernel::MaxThreadsPerBlock == kTile.threads());
  static_assert(sizeof(typename Kernel::SharedStorage) == kTile.shared_bytes());
  static_assert(offsetof(typename Kernel::SharedStorage, tensors.epilogue) == kTile.staging_offset());
};

}  // namespace immabench::inline SIMT_TARGET
