// Global memory read or copied as fast as it goes, 16 bytes a thread and access, past L1.
//
// A buffer is cut into tiles of 256 threads x 4 vectors. One launch goes over the buffer `repeats` times, so that the cost of
// the launch does not count. A buffer far larger than L2 gives the bandwidth of DRAM, one that fits gives that of L2.
//   read   tile t of all repeats goes to block t mod grid, so that blocks end together however few tiles there are; what a
//          thread read is folded by xor and stored once
//   copy   each block copies tiles of its own again and again: no byte is written by two blocks
#pragma once
#include <ceiling/ceiling.hpp>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

using BandwidthVector = simt::Vector<simt::u32, 4>;

struct BandwidthParameters {
  simt::Global<BandwidthVector> source, target;
  int tiles, repeats;
};

inline BandwidthParameters make_parameters(const BandwidthArguments& arguments) {
  return {{arguments.source}, {arguments.target}, arguments.tiles, arguments.repeats};
}

SIMT_DEVICE void load_tile(BandwidthVector (&vectors)[kTileVectors], simt::Global<BandwidthVector> source, simt::i64 tile) {
  const simt::i64 first = tile * (kTileThreads * kTileVectors) + simt::thread_index();
  SIMT_UNROLL
  for (int i = 0; i < kTileVectors; ++i) vectors[i] = simt::load_global_coherent(source + (first + i * kTileThreads));
}

SIMT_DEVICE void fold(BandwidthVector& sum, const BandwidthVector& value) {
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) sum[i] ^= value[i];
}

SIMT_KERNEL(kTileThreads)
read_kernel(SIMT_PARAMETERS BandwidthParameters p) {
  BandwidthVector sum{};
  const int blocks = int(simt::grid_size_x()), step = blocks % p.tiles;
  int tile = int(simt::block_index_x()) % p.tiles;
  const simt::i64 work = simt::i64(p.tiles) * p.repeats;
  for (simt::i64 done = simt::block_index_x(); done < work; done += blocks) {
    BandwidthVector vectors[kTileVectors];
    load_tile(vectors, p.source, tile);
    SIMT_UNROLL
    for (int i = 0; i < kTileVectors; ++i) fold(sum, vectors[i]);
    tile += step;
    if (tile >= p.tiles) tile -= p.tiles;
  }
  simt::store_global(p.target + (simt::i64(simt::block_index_x()) * kTileThreads + simt::thread_index()), sum);
}

SIMT_KERNEL(kTileThreads)
copy_kernel(SIMT_PARAMETERS BandwidthParameters p) {
  for (int repeat = 0; repeat < p.repeats; ++repeat) {
    for (simt::i64 tile = simt::block_index_x(); tile < p.tiles; tile += simt::grid_size_x()) {
      BandwidthVector vectors[kTileVectors];
      load_tile(vectors, p.source, tile);
      const simt::i64 first = tile * (kTileThreads * kTileVectors) + simt::thread_index();
      SIMT_UNROLL
      for (int i = 0; i < kTileVectors; ++i) simt::store_global(p.target + (first + i * kTileThreads), vectors[i]);
    }
  }
}

}  // namespace immabench::inline SIMT_TARGET
