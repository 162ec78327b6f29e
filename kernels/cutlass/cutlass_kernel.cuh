// CUTLASS' GEMM and implicit-GEMM convolution by mma.sync (CUTLASS 2.x), behind this project's launch.
//
//   acc[M,N] = A[M,K] . B[N,K]^T     int8 or int4, both K-major; of a convolution A is an NHWC image, B filters [N, R, S, C]
//   out[M,N] = epilogue(acc)         parts/epilogue.cuh, as a visitor
//
// From CUTLASS 2.x come what a threadblock does with its tile (DefaultGemmUniversal, DefaultConv2dFprop: iterators over
// operands, multistage pipeline by cp.async, swizzled layouts, warp tiles), the order of tiles
// (GemmIdentityThreadblockSwizzle), and the epilogue's way through shared memory (EpilogueWithVisitorCallbacks). The kernel
// around them is written here, as CUTLASS' kernel/gemm_universal_with_visitor.h and kernel/implicit_gemm_convolution.h have it,
// so that its name holds the tile and both share one launch.
//
// Constraints: rows of operands, or pixels, are whole 16 bytes (cutlass_illegal_reason). Filters are walked tap by tap: K goes
// by in channels of one tap, a last tile of them partly empty.
#pragma once
#include <cuda_runtime_api.h>

#include "cutlass_types.cuh"

namespace immabench::inline SIMT_TARGET {

extern __shared__ __align__(128) unsigned char cutlass_shared_memory[];

// Its registers may leave room for one block alone: to have more, the compiler would rather spill.
template <class Instance>
SIMT_KERNEL_BESIDE(Instance::kTile.threads(), 1)
cutlass_kernel(SIMT_PARAMETERS typename Instance::Parameters p) {
  if constexpr (Instance::kNative) {
    using Visited = typename Instance::Visited;
    auto& shared = *reinterpret_cast<typename Visited::SharedStorage*>(cutlass_shared_memory);
    const auto tile = Instance::Swizzle::get_tile_offset(p.tiles.log_width);
    if (tile.m() >= p.tiles.count.m() || tile.n() >= p.tiles.count.n()) return;
    const int thread = int(simt::thread_index()), warp = cutlass::canonical_warp_idx_sync(), lane = int(simt::lane_index());
    typename Visited::Mma mma(shared.main_loop, thread, warp, lane);
    typename Visited::Mma::FragmentC sums;
    sums.clear();
    mma(p.k_tiles, sums, Instance::a_of(p, tile, thread), Instance::b_of(p, tile, thread), sums);
    typename Visited::Epilogue epilogue(p.epilogue, shared.epilogue, thread, warp, lane);
    epilogue(sums, tile, p.epilogue.m, thread);
  }
}

template <class Instance>
int launch_cutlass(const GemmArguments& arguments, std::uint64_t stream) {
  constexpr int kShared = Instance::kTile.shared_bytes(Instance::kWidths), kSharedWithoutAsking = 48 * 1024;
  static_assert(sizeof(typename Instance::Visited::SharedStorage) == kShared);
  const auto kernel = cutlass_kernel<Instance>;
  if (kShared > kSharedWithoutAsking) {
    const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared);
    if (status != cudaSuccess) return status;
  }
  const auto p = Instance::make_parameters(arguments);
  const dim3 grid = Instance::Swizzle::get_grid_shape(p.tiles.count);
  kernel<<<grid, Instance::kTile.threads(), kShared, reinterpret_cast<cudaStream_t>(stream)>>>(p);
  return cudaGetLastError();
}

}  // namespace immabench::inline SIMT_TARGET
