// How tiles are shared by blocks where they are fewer than multiprocessors, or no whole waves: by parts of K.
#pragma once
#include <parts/epilogue.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// All tiles' steps along K, one tile after the other, dealt out to blocks in even shares: stream-K (Osama et al., PPoPP 2023,
// arXiv:2301.03598). With a whole number of blocks a tile it is split-K.
struct TileShares {
  int k_tiles;  // steps of a tile
  int blocks;
  int each, longer;  // steps of a share; the first `longer` blocks have one more

  SIMT_CALLABLE TileShares(int tiles, int k_tiles_of_each, int blocks_of_all)
      : k_tiles(k_tiles_of_each),
        blocks(blocks_of_all),
        each(tiles * k_tiles_of_each / blocks_of_all),
        longer(tiles * k_tiles_of_each % blocks_of_all) {}

  SIMT_CALLABLE int first(int block) const { return block * each + (block < longer ? block : longer); }
  SIMT_CALLABLE int last(int block) const { return first(block + 1); }
  // The block whose share holds a step.
  SIMT_CALLABLE int owner(int step) const {
    const int of_longer = longer * (each + 1);
    return step < of_longer ? step / (each + 1) : longer + (step - of_longer) / each;
  }
  SIMT_CALLABLE int first_owner(int tile) const { return owner(tile * k_tiles); }
  SIMT_CALLABLE int last_owner(int tile) const { return owner((tile + 1) * k_tiles - 1); }
  // Where a block leaves its part of a tile's sums: a share has at most two tiles that are not all its own, the one it begins
  // in and one it came to.
  SIMT_CALLABLE int slot(int block, int tile) const { return 2 * block + (first(block) < tile * k_tiles); }
};

// Parts of sums in global memory: of each slot 16 bytes a thread, chunk after chunk, so that a warp moves whole lines. Then a
// counter a tile, 0 between launches.
struct Workspace {
  simt::Global<void> base;
  int slots;
};

// One block's parts, and the last one's sum of all. kChunks of 4 sums a thread.
template <class Sums, int kThreads>
class PartialSums;
template <class Sum, int kRows, int kColumns, int kThreads>
class PartialSums<Sum[kRows][kColumns][4], kThreads> {
 public:
  using Sums = Sum[kRows][kColumns][4];

  SIMT_DEVICE PartialSums(const Workspace& workspace, const TileShares& shares)
      : parts_(workspace.base.template as<Chunk>()),
        counters_(workspace.base.template as<simt::i32>() + simt::i64(workspace.slots) * kThreads * kChunks * 4),
        shares_(shares) {}

  // Leaves a part of `tile`. True, for all threads, in the block that is the last to do so: then all parts are there.
  SIMT_DEVICE bool leave(int block, int tile, const Sums& sums) const {
    const auto mine = at(shares_.slot(block, tile));
    SIMT_UNROLL
    for (int i = 0; i < kRows; ++i) {
      SIMT_UNROLL
      for (int j = 0; j < kColumns; ++j)
        simt::store_global(mine + (i * kColumns + j) * kThreads,
                           Chunk{{sums[i][j][0], sums[i][j][1], sums[i][j][2], sums[i][j][3]}});
    }
    simt::syncthreads();
    const int others = shares_.last_owner(tile) - shares_.first_owner(tile);
    bool last = false;
    if (simt::thread_index() == 0) last = simt::atomic_add_global_acq_rel(counters_ + tile, 1) == others;
    return simt::syncthreads_or(last);
  }

  // All parts of `tile`, in the order of K, whichever block was last: floats come out the same each time.
  SIMT_DEVICE void gather(int tile, Sums& sums) const {
    const int first = shares_.first_owner(tile), last = shares_.last_owner(tile);
    for (int block = first; block <= last; ++block) {
      const auto part = at(shares_.slot(block, tile));
      SIMT_UNROLL
      for (int i = 0; i < kRows; ++i) {
        SIMT_UNROLL
        for (int j = 0; j < kColumns; ++j) {
          const Chunk chunk = simt::load_global_coherent(part + (i * kColumns + j) * kThreads);
          SIMT_UNROLL
          for (int e = 0; e < 4; ++e) sums[i][j][e] = block == first ? chunk[e] : add(sums[i][j][e], chunk[e]);
        }
      }
    }
    if (simt::thread_index() == 0) simt::atomic_add_global(counters_ + tile, first - last - 1);
  }

 private:
  using Chunk = simt::Vector<Sum, 4>;
  static constexpr int kChunks = kRows * kColumns;

  SIMT_DEVICE simt::Global<Chunk> at(int slot) const {
    return parts_ + (simt::i64(slot) * kChunks * kThreads + int(simt::thread_index()));
  }
  SIMT_DEVICE static simt::i32 add(simt::i32 a, simt::i32 b) { return a + b; }
  SIMT_DEVICE static float add(float a, float b) { return simt::add_rn(a, b); }

  simt::Global<Chunk> parts_;
  simt::Global<simt::i32> counters_;
  TileShares shares_;
};

}  // namespace immabench::inline SIMT_TARGET
