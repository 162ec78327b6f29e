// CUTLASS' GEMM by wgmma (CUTLASS 3.x), behind this project's launch.
//
//   acc[M,N] = A[M,K] . B[N,K]^T     int8, both K-major, of a batch one product after the other
//   out[M,N] = epilogue(acc)         parts/epilogue.cuh, by cutlass3_epilogue.cuh
//
// From CUTLASS come the mainloop (what CollectiveBuilder makes of a tile: a ring of stages that the Tensor Memory Accelerator
// fills, shared by the blocks of a cluster), the schedule of warpgroups (kernel/sm90_gemm_tma_warpspecialized*.hpp) and the
// order of tiles (PersistentTileScheduler). The kernel around them is written here, so that its name holds the tile.
//
// Constraints: rows of operands are whole 16 bytes (cutlass_illegal_reason).
#pragma once
#include <gemm/wgmma_launch_cuda.cuh>
#include <tensor_maps.hpp>

#include "cutlass3_types.cuh"

namespace immabench::inline SIMT_TARGET {

template <class Instance>
SIMT_KERNEL_ALONE(Instance::kTile.threads())
cutlass3_kernel(SIMT_PARAMETERS typename Instance::Kernel::Params p) {
#if SIMT_HAS_SM90A
  typename Instance::Kernel{}(p, reinterpret_cast<char*>(simt::dynamic_shared_memory));
#endif
}

// ---- on the host

template <class Instance>
typename Instance::Kernel::Params make_cutlass3_parameters(const GemmArguments& g) {
  // Of neighbouring tiles up to 8 run together, as those of CUTLASS 2.x here.
  constexpr int kSwizzle = 8;
  const auto stride_of = [&](int rows) { return cute::make_stride(std::int64_t{g.k}, cute::_1{}, std::int64_t{rows} * g.k); };
  typename Instance::Kernel::Arguments arguments;
  arguments.problem_shape = {g.m, g.n, g.k, g.batch};
  arguments.mainloop.ptr_A = reinterpret_cast<const std::int8_t*>(g.a);
  arguments.mainloop.dA = stride_of(g.m);
  arguments.mainloop.ptr_B = reinterpret_cast<const std::int8_t*>(g.b);
  arguments.mainloop.dB = stride_of(g.n);
  arguments.epilogue = Instance::Kernel::CollectiveEpilogue::make_arguments(g);
  arguments.hw_info.sm_count = g.multiprocessors;
  if constexpr (Instance::kTile.persistent()) arguments.scheduler.max_swizzle_size = kSwizzle;
  return Instance::Kernel::to_underlying_arguments(arguments, nullptr);
}

template <class Instance>
int launch_cutlass3(const GemmArguments& g, std::uint64_t stream) {
  // Throws where the driver has no tensor maps: CUTLASS would say so to the terminal, and launch.
  static const simt::TensorMap kAnyMap = encode(describe_operand(g.a, 1, g.m, g.k, 1));
  static_cast<void>(kAnyMap);
  constexpr Cutlass3Tile kTile = Instance::kTile;
  const auto p = make_cutlass3_parameters<Instance>(g);
  const dim3 grid = Instance::Kernel::get_grid_shape(p), cluster(kTile.cluster_m, kTile.cluster_n);
  return launch_clusters(cutlass3_kernel<Instance>, {grid, cluster, unsigned(kTile.threads()), kTile.shared_bytes()}, p,
                         stream);
}

}  // namespace immabench::inline SIMT_TARGET
