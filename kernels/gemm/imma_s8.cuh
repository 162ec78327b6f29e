// INT8 GEMM on the integer tensor cores of sm_80 and later, by mma.sync (IMMA).
//
//   acc[M,N] = A[M,K] . B[N,K]^T     A, B int8, K-major; acc exact int32
//   out[M,N] = epilogue(acc)         parts/epilogue.cuh
//
// One block computes one block_m x block_n tile; warps_m x warps_n warps split it. K goes by in tiles of block_k through a ring
// of `stages` shared-memory stages:
//
//   global --cp.async--> [stage 0][stage 1]..[stage S-1] --ldmatrix--> fragments (double buffered) --mma--> accumulators
//
//   stage   A: block_m x block_k bytes, then B: block_n x block_k bytes, both XOR-swizzled (parts/swizzle.cuh)
//   ready   copy_async_wait<S-2> by every thread, then syncthreads: the oldest stage has landed, for everybody
//   free    the same barrier: every warp has taken its last fragments of the stage before, which is then refilled
//
// Each thread commits exactly one copy group per K tile, empty ones past the end of K, so one wait count serves all iterations.
// The fragments of step s+1 are fetched before the products of step s, across the stage boundary too.
//
// Constraints: K <= 131071 (int32 stays exact); block_k a multiple of 64, so that a tile has an even number of K steps and the
// fragment buffers alternate in place. The ragged variant (kAligned = false) takes any K and any addresses.
// Inspect: `immabench emulate ID --shape MxNxK` for transactions by source line; the SASS of the loop is in the report.
#pragma once
#include <gemm/gemm_call.cuh>
#include <gemm/imma_tile.hpp>
#include <parts/epilogue.cuh>
#include <parts/imma_fragments.cuh>
#include <parts/tile_loader.cuh>
#include <parts/tile_schedule.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

struct ImmaS8Parameters {
  OperandView a, b;  // M rows and N rows of K bytes
  EpilogueParameters epilogue;
};

template <class Config, bool kAligned>
SIMT_KERNEL(Config::tile.threads())
imma_s8_kernel(SIMT_PARAMETERS ImmaS8Parameters p) {
  constexpr ImmaTile kTile = Config::tile;
  constexpr int kWarpM = kTile.warp_m(), kWarpN = kTile.warp_n(), kStages = kTile.stages;
  constexpr int kSteps = kTile.block_k / kMmaK;
  using Fragments = ImmaFragments<kWarpM, kWarpN, kTile.block_k>;

  const TileSchedule schedule{ceil_divide(p.a.rows, kTile.block_m), ceil_divide(p.b.rows, kTile.block_n)};
  const TileCoordinate tile = schedule.tile(int(simt::block_index_x()));
  const int first_m = tile.m * kTile.block_m, first_n = tile.n * kTile.block_n;
  const int warp = int(simt::warp_index());
  const int warp_m = warp / kTile.warps_n * kWarpM, warp_n = warp % kTile.warps_n * kWarpN;
  const int k_tiles = ceil_divide(p.a.k, kTile.block_k);

  const TileLoader<kTile.block_m, kTile.block_k, kTile.threads(), kAligned> loader_a{p.a, first_m};
  const TileLoader<kTile.block_n, kTile.block_k, kTile.threads(), kAligned> loader_b{p.b, first_n};
  const simt::u32 shared = simt::shared_base();
  const auto stage_a = [&](int k_tile) { return shared + simt::u32(k_tile % kStages * kTile.stage_bytes()); };
  const auto stage_b = [&](int k_tile) { return stage_a(k_tile) + simt::u32(kTile.block_m * kTile.block_k); };

  const auto produce = [&](int k_tile) {
    if (k_tile < k_tiles) {
      loader_a.load(stage_a(k_tile), k_tile * kTile.block_k);
      loader_b.load(stage_b(k_tile), k_tile * kTile.block_k);
    }
    simt::copy_async_commit();
  };
  const auto await_stage = [&] {
    simt::copy_async_wait<kStages - 2>();
    simt::syncthreads();
  };

  SIMT_UNROLL
  for (int stage = 0; stage < kStages - 1; ++stage) produce(stage);
  await_stage();

  ImmaAccumulators<kWarpM, kWarpN> accumulators = {};
  Fragments fragments[2];
  fragments[0].load(stage_a(0), warp_m, stage_b(0), warp_n, 0);
  for (int k_tile = 0; k_tile < k_tiles; ++k_tile) {
    SIMT_UNROLL
    for (int step = 0; step < kSteps; ++step) {
      const bool last_step = step == kSteps - 1;
      if (last_step) await_stage();
      if (!last_step)
        fragments[(step + 1) % 2].load(stage_a(k_tile), warp_m, stage_b(k_tile), warp_n, step + 1);
      else if (k_tile + 1 < k_tiles)
        fragments[0].load(stage_a(k_tile + 1), warp_m, stage_b(k_tile + 1), warp_n, 0);
      if (step == 0) produce(k_tile + kStages - 1);
      fragments[step % 2].multiply_into(accumulators);
    }
  }

  // The last await_stage came after every warp's last fragments and every copy with data: the stages are free to become the
  // epilogue's slabs without another barrier.
  const EpilogueSlab<kWarpN> slab{shared + simt::u32(warp * EpilogueSlab<kWarpN>::kBytes)};
  store_warp_tile(p.epilogue, accumulators, first_m + warp_m, first_n + warp_n, slab);
}

// ---- on the host, for both targets

inline unsigned block_count(const ImmaTile& tile, const GemmArguments& g) {
  return unsigned(ceil_divide(g.m, tile.block_m)) * unsigned(ceil_divide(g.n, tile.block_n));
}

inline ImmaS8Parameters make_parameters(const GemmArguments& g) {
  return {{{g.a}, g.m, g.k}, {{g.b}, g.n, g.k}, make_epilogue(g)};
}

}  // namespace immabench::inline SIMT_TARGET
