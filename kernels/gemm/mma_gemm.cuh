// GEMM on the tensor cores of sm_80 and later, by mma.sync: one kernel for every pair of operand types.
//
//   acc[M,N] = A[M,K] . B[N,K]^T     both K-major; acc exact int32, or fp32
//   out[M,N] = epilogue(acc)         parts/epilogue.cuh
//
// One block computes one block_m x block_n tile; warps_m x warps_n warps split it. K goes by in tiles of block_k through a ring
// of `stages` shared-memory stages:
//
//   global --cp.async--> [stage 0][stage 1]..[stage S-1] --ldmatrix--> fragments (double buffered) --mma--> accumulators
//
//   stage   what the operands put there: A, then B (MmaTile::stage_bytes)
//   ready   copy_async_wait<S-2> by every thread, then syncthreads: the oldest stage has landed, for everybody
//   free    the same barrier: every warp has taken its last fragments of the stage before, which is then refilled
//
// Each thread commits exactly one copy group per K tile, empty ones past the end of K, so one wait count serves all iterations.
// The fragments of step s+1 are fetched before the products of step s, across the stage boundary too.
//
// A policy `Operands` is all that depends on the operands (parts/row_major_operands.cuh is one):
//
//   widths                        MmaWidths (mma_tile.hpp)
//   kNative                       whether the architecture being compiled for has the instruction; elsewhere the kernel is
//                                 empty
//   kImage                        whether A is an image
//   kRagged, is_aligned(call)     whether there is a variant for calls that are not aligned; which are
//   kBatched, entry(p, index)     whether operands may be batches; the Parameters of one product of a batch
//   Parameters                    views of the operands, made of a call by make_parameters(GemmArguments)
//   k_tiles(p, block_k)           tiles along K
//   Loader<Config, kAligned>      of a block: (p, first_m, first_n), then load(stage, k_tile) starts the copies of a stage
//   WarpTile<Config>              of a warp: fetch(stage, step) takes what step `step` needs out of a stage into registers
//                                 (that of step s+1 while step s waits there to be multiplied), multiply(step) unpacks it and
//                                 adds to the accumulators, sums() hands them over at the end: Sum[warp_m / 16][warp_n / 8][4]
//
// The three parts of the kernel know nothing of each other, so that work can be dealt out otherwise (a part of K a block,
// several tiles a block): `TileWork` says which tile of which product of a batch, and which tiles of K, `multiply_tile` adds
// that range to a WarpTile, `store_tile` turns sums into outputs. Tiles that
// share (MmaTile::split_k) do so by parts/tile_shares.cuh. After multiply_tile no copy is in flight and no stage is read; a
// block that goes on to another tile needs a syncthreads between store_tile, whose slabs lie in the stages, and the next
// multiply_tile.
//
// Constraints: a whole, even number of steps a tile, so that fragment buffers alternate in place. The ragged variant (kAligned
// = false) takes any K and any addresses, where the operands have one. int32 stays exact up to the K of gemm.hpp. Inspect:
// `immabench emulate ID --shape MxNxK` for transactions by source line; the SASS of the loop is in the report.
#pragma once
#include <gemm/gemm_call.cuh>
#include <gemm/mma_tile.hpp>
#include <parts/epilogue.cuh>
#include <parts/mma_fragments.cuh>
#include <parts/tile_schedule.cuh>
#include <parts/tile_shares.cuh>
#include <simt/simt.cuh>
#include <type_traits>
#include <utility>

namespace immabench::inline SIMT_TARGET {

template <class Operands>
struct MmaGemmParameters {
  typename Operands::Parameters operands;
  EpilogueParameters epilogue;
  Workspace workspace{};  // where blocks share tiles
  int batch = 1;          // products, all of one shape
};

// A tile of the output of product `entry` of a batch, and the tiles of K [first_k, last_k) to add up, at least one.
struct TileWork {
  int entry;
  int first_m, first_n;
  int first_k, last_k;
};

// The operands of the product that a tile is of.
template <class Operands>
SIMT_DEVICE decltype(auto) operands_of(const MmaGemmParameters<Operands>& p, const TileWork& work) {
  if constexpr (Operands::kBatched)
    return Operands::entry(p.operands, work.entry);
  else
    return (p.operands);
}

// Tile `index` of the schedule, with all of K. One product's tiles are scheduled after the other's.
template <class Operands, class Config>
SIMT_DEVICE TileWork whole_tile(const MmaGemmParameters<Operands>& p, int index) {
  constexpr MmaTile kTile = Config::tile;
  const TileSchedule schedule{ceil_divide(p.epilogue.m, kTile.block_m), ceil_divide(p.epilogue.n, kTile.block_n)};
  const int tiles = schedule.m_tiles * schedule.n_tiles;
  const int entry = Operands::kBatched && p.batch > 1 ? index / tiles : 0;  // a division less where there is one product
  const TileCoordinate tile = schedule.tile(index - entry * tiles);
  return {entry, tile.m * kTile.block_m, tile.n * kTile.block_n, 0, Operands::k_tiles(p.operands, kTile.block_k)};
}

template <class Operands, class Config, bool kAligned>
SIMT_DEVICE void multiply_tile(const typename Operands::Parameters& p, const TileWork& work,
                               typename Operands::template WarpTile<Config>& warp) {
  constexpr int kStages = Config::tile.stages, kSteps = Config::tile.steps(Operands::widths);
  static_assert(kSteps % 2 == 0, "fragment buffers alternate from step to step");
  const typename Operands::template Loader<Config, kAligned> loader{p, work.first_m, work.first_n};
  const int k_tiles = work.last_k - work.first_k;
  constexpr auto kStageBytes = simt::u32(Config::tile.stage_bytes(Operands::widths));
  const simt::u32 first_stage = simt::shared_base(), last_stage = first_stage + (kStages - 1) * kStageBytes;
  const auto after = [&](simt::u32 stage) { return stage == last_stage ? first_stage : stage + kStageBytes; };

  const auto produce = [&](simt::u32 stage, int k_tile) {
    if (k_tile < k_tiles) loader.load(stage, work.first_k + k_tile);
    simt::copy_async_commit();
  };
  const auto await_stage = [&] {
    simt::copy_async_wait<kStages - 2>();
    simt::syncthreads();
  };

  SIMT_UNROLL
  for (int k_tile = 0; k_tile < kStages - 1; ++k_tile) produce(first_stage + k_tile * kStageBytes, k_tile);
  await_stage();

  simt::u32 stage = first_stage, refilled = last_stage;
  warp.fetch(stage, 0);
  for (int k_tile = 0; k_tile < k_tiles; ++k_tile) {
    SIMT_UNROLL
    for (int step = 0; step < kSteps; ++step) {
      if (step < kSteps - 1) {
        warp.fetch(stage, step + 1);
      } else {
        await_stage();
        refilled = stage, stage = after(stage);
        if (k_tile + 1 < k_tiles) warp.fetch(stage, 0);
      }
      if (step == 0) produce(refilled, k_tile + kStages - 1);
      warp.multiply(step);
    }
  }
}

// The last await_stage came after every warp's last fragments and every copy with data: the stages are free to become the
// epilogue's slabs without another barrier.
template <class Operands, class Config, class Sums>
SIMT_DEVICE void store_tile(const EpilogueParameters& p, const TileWork& work, const Sums& sums) {
  constexpr int kWarpN = Config::tile.warp_n();
  const WarpOrigin<Config> origin;
  const EpilogueSlab<kWarpN> slab{simt::shared_base() + simt::u32(int(simt::warp_index()) * EpilogueSlab<kWarpN>::kBytes)};
  const int first_row = work.first_m + origin.m, first_column = work.first_n + origin.n;
  if constexpr (Operands::kBatched)
    store_warp_tile(epilogue_entry(p, work.entry), sums, work.entry * p.m + first_row, first_column, slab);
  else
    store_warp_tile(p, sums, first_row, first_column, slab);
}

// One tile after the other of this block's share, each as much of it as the share has. Who is last at a tile adds up its parts.
template <class Operands, class Config, bool kAligned>
SIMT_DEVICE void work_off_share(const MmaGemmParameters<Operands>& p) {
  constexpr MmaTile kTile = Config::tile;
  using WarpTile = typename Operands::template WarpTile<Config>;
  using Sums = std::remove_cvref_t<decltype(std::declval<WarpTile&>().sums())>;
  using Parts = PartialSums<Sums, kTile.threads()>;
  const int tiles = p.batch * ceil_divide(p.epilogue.m, kTile.block_m) * ceil_divide(p.epilogue.n, kTile.block_n);
  const int k_tiles = Operands::k_tiles(p.operands, kTile.block_k), block = int(simt::block_index_x());
  const TileShares shares{tiles, k_tiles, int(simt::grid_size_x())};
  const Parts parts{p.workspace, shares};
  for (int step = shares.first(block), end = shares.last(block); step < end;) {
    const int tile = step / k_tiles;
    TileWork work = whole_tile<Operands, Config>(p, tile);
    work.first_k = step % k_tiles;
    work.last_k = end - step < k_tiles - work.first_k ? work.first_k + end - step : k_tiles;
    step += work.last_k - work.first_k;
    WarpTile warp{p.operands};
    multiply_tile<Operands, Config, kAligned>(operands_of(p, work), work, warp);
    Sums& sums = warp.sums();
    const bool whole = work.last_k - work.first_k == k_tiles;
    if (whole || parts.leave(block, tile, sums)) {
      if (!whole) parts.gather(tile, sums);
      store_tile<Operands, Config>(p.epilogue, work, sums);
    }
    simt::syncthreads();  // the next tile's stages lie where the epilogue's slabs do
  }
}

template <class Operands, class Config, bool kAligned>
SIMT_KERNEL_BESIDE(Config::tile.threads(), Operands::kImage ? 1 : Config::tile.blocks_beside())
mma_gemm_kernel(SIMT_PARAMETERS MmaGemmParameters<Operands> p) {
  if constexpr (Operands::kNative && Config::tile.shares_tiles()) {
    work_off_share<Operands, Config, kAligned>(p);
  } else if constexpr (Operands::kNative) {
    const TileWork work = whole_tile<Operands, Config>(p, int(simt::block_index_x()));
    typename Operands::template WarpTile<Config> warp{p.operands};
    multiply_tile<Operands, Config, kAligned>(operands_of(p, work), work, warp);
    store_tile<Operands, Config>(p.epilogue, work, warp.sums());
  }
}

// ---- on the host, for both targets

inline int block_count(const MmaTile& tile, const MmaWidths& widths, const GemmArguments& g) {
  const int tiles = g.batch * ceil_divide(g.m, tile.block_m) * ceil_divide(g.n, tile.block_n);
  return grid_blocks(tile.split_k, tile.shared_bytes(widths), tiles, ceil_divide(g.k, tile.block_k), g.multiprocessors);
}

template <class Operands, class Config>
MmaGemmParameters<Operands> make_parameters(const GemmArguments& g) {
  const Workspace workspace{{g.workspace}, 2 * block_count(Config::tile, Operands::widths, g)};
  return {Operands::make_parameters(g), make_epilogue(g), workspace, g.batch};
}

}  // namespace immabench::inline SIMT_TARGET
