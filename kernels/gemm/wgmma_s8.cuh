// INT8 GEMM and convolution for sm_90a: the Tensor Memory Accelerator brings tiles, warpgroups multiply them by wgmma.
//
//   acc[M,N] = A[M,K] . B[N,K]^T     A, B int8, K-major; acc exact int32
//   out[M,N] = epilogue(acc)         parts/epilogue.cuh
//
// A block is one producing and one to three consuming warpgroups around a ring of stages (parts/stage_ring.cuh):
//
//   producer                         [stage 0][stage 1]..[stage S-1]                       consumers
//   await empty, announce bytes,  -->  rows    block_rows x a line, swizzled      -->  await full, a step of wgmma each 32
//   ask for both operands' boxes       columns block_columns x a line                  bytes, one stage's in flight, let go
//
// A line is 128 bytes of K, or 64 where an image has so few channels.
//
// Names: the instruction multiplies 64 `rows` by up to 256 `columns`. Rows are A's (the output's) and columns B's, or the other
// way round where the tile is `swapped`: few rows of A then fill the instruction's N, which goes down to 8, not its fixed 64.
//
// Operands (parts/operand_boxes.cuh): two matrices; or images and filters, where the rows of A are pixels of the output and its
// columns taps by channels. im2col happens on the way into shared memory: the Tensor Memory Accelerator walks over the pixels.
//
// Policies, all of the tile (gemm/wgmma_tile.hpp):
//
//   cluster     Blocks side by side share operands: each fetches its part of what they have in common and multicasts it to all.
//               A stage is empty when the consumers of every block it was sent to have let go.
//
//   split_k     The blocks of a cluster share one output tile, each takes a part of K; sums meet through distributed shared
//               memory.
//
//   persistent  Where nothing is gathered a block goes from tile to tile; boxes of results leave while the next tile is
//               multiplied.
//
// kAligned: K and both addresses are multiples of 16, as tensor maps need. Otherwise, of matrices, the producing warpgroup
// loads byte by byte into the same places, and results leave element by element: any K, any address, an order of magnitude
// slower.
//
// Inspect: `immabench emulate ID --shape MxNxK`. The ladder that leads here: docs/hopper-ladder.md.
#pragma once
#include <gemm/gemm_call.cuh>
#include <gemm/output_boxes.cuh>
#include <gemm/wgmma_work.cuh>
#include <parts/operand_boxes.cuh>
#include <parts/stage_ring.cuh>
#include <parts/tensor_epilogue.cuh>
#include <parts/tile_loader.cuh>
#include <simt/simt.cuh>
#include <tensor_maps.hpp>

namespace immabench::inline SIMT_TARGET {

template <class Operands>
struct WgmmaS8Parameters {
  typename Operands::View operands;
  simt::TensorMap row_map{}, column_map{};  // where kAligned
  simt::TensorMap out_map{};                // where out_by_boxes
  EpilogueParameters epilogue;
  bool out_by_boxes = false;  // rows of the output start on 16 bytes, and scales alone make it
};

template <class Operands, class Config, bool kAligned>
class WgmmaS8Block {
  using Parameters = WgmmaS8Parameters<Operands>;

 public:
  SIMT_DEVICE explicit WgmmaS8Block(const Parameters& p)
      : p_(p),
        work_(p.epilogue.m, p.epilogue.n, p.operands.k_tiles()),
        stages_((simt::shared_base() + 1023) & ~1023u),
        ring_{stages_ + simt::u32(kRingBytes + kTile.staging_bytes())} {}

  SIMT_DEVICE void run() {
    if (simt::thread_index() == 0) ring_.initialise(kAligned ? 1 : 4, kTile.consumers * kSources);
    WgmmaWork<Config>::synchronise_cluster();
    const int warpgroup = int(simt::warp_index()) / 4;
    if (warpgroup == 0)
      produce();
    else
      consume(warpgroup - 1);
  }

 private:
  static constexpr WgmmaTile kTile = Config::tile;
  static constexpr int kRows = kTile.block_rows(), kColumns = kTile.block_columns(), kLine = kTile.block_k;
  static constexpr int kRowBytes = kRows * kLine;
  static_assert(kLine == Operands::kLine && (kAligned || Operands::kRagged));
  static constexpr int kRingBytes = kTile.stages * kTile.stage_bytes() > kTile.gather_bytes()
                                        ? kTile.stages * kTile.stage_bytes()
                                        : kTile.gather_bytes();
  static constexpr bool kMulticast = kAligned && WgmmaWork<Config>::kSharing > 1;
  // Blocks that fill this block's stages: those that share its rows, and those that share its columns.
  static constexpr int kSources = kMulticast ? kTile.cluster_rows() + kTile.cluster_columns() - 1 : 1;
  static constexpr int kGroups = kTile.row_groups(), kSums = kColumns / 2;
  using Position = RingPosition<kTile.stages>;
  using Sums = simt::i32[kGroups][kSums];

  SIMT_DEVICE simt::u32 stage_rows(int stage) const { return stages_ + simt::u32(stage * kTile.stage_bytes()); }
  SIMT_DEVICE simt::u32 stage_columns(int stage) const { return stage_rows(stage) + simt::u32(kRowBytes); }

  // ---------------------------------------------------------------- producer

  SIMT_DEVICE void produce() {
    if constexpr (kTile.reallocates()) simt::decrease_max_registers<kTile.producer_registers()>();
    Position at;
    for (WgmmaWork<Config> work = work_; work.is_left(); work.advance()) {
      if constexpr (kAligned) {
        if (simt::thread_index() == 0) fetch_boxes(work, at);
      } else {
        load_bytes(work, at);
      }
    }
    if constexpr (kTile.gathers()) WgmmaWork<Config>::meet_parts();
    WgmmaWork<Config>::leave();
  }

  SIMT_DEVICE void fetch_boxes(const WgmmaWork<Config>& work, Position& at) const {
    // Every block fetches one part of the rows it shares along its row of the cluster, and of the columns along its column.
    constexpr int kRowsEach = kRows / kTile.cluster_columns(), kColumnsEach = kColumns / kTile.cluster_rows();
    const int row = work.column_rank * kRowsEach, column = work.row_rank * kColumnsEach;
    typename Operands::Walk walk(p_.operands, work.first_row(), work.first_column(), work.first_k);
    for (int k = work.first_k; k < work.last_k; ++k, at.advance(), walk.advance()) {
      ring_.await_empty(at);
      simt::mbarrier_arrive_expect_tx(ring_.full(at.stage), simt::u32(kTile.stage_bytes()));
      fetch<kTile.cluster_columns()>(stage_rows(at.stage) + simt::u32(row * kLine), p_.row_map, walk.rows(row), at.stage,
                                     row_peers(work.row_rank));
      fetch<kTile.cluster_rows()>(stage_columns(at.stage) + simt::u32(column * kLine), p_.column_map, walk.columns(column),
                                  at.stage, column_peers(work.column_rank));
    }
  }

  // Blocks of the cluster, as bits, with the same rows; with the same columns.
  SIMT_DEVICE static simt::u16 row_peers(int row_rank) {
    simt::u32 peers = 0;
    SIMT_UNROLL
    for (int i = 0; i < kTile.cluster_columns(); ++i) peers |= 1u << (i * kTile.cluster_rows() + row_rank);
    return simt::u16(peers);
  }
  SIMT_DEVICE static simt::u16 column_peers(int column_rank) {
    return simt::u16(((1u << kTile.cluster_rows()) - 1) << column_rank * kTile.cluster_rows());
  }

  template <int kParts, class Place>
  SIMT_DEVICE void fetch(simt::u32 to, const simt::TensorMap& map, const Place& place, int stage, simt::u16 peers) const {
    if constexpr (kParts > 1)
      simt::tensor_load_multicast(to, map, place.at, ring_.full(stage), peers);
    else
      load_box(to, map, place, ring_.full(stage));
  }

  SIMT_DEVICE void load_bytes(const WgmmaWork<Config>& work, Position& at) const {
    using Layout = SwizzledRows<kLine>;
    const TileLoader<kRows, kLine, kWarpgroupThreads, false, Layout, true> rows{p_.operands.rows, work.first_row()};
    const TileLoader<kColumns, kLine, kWarpgroupThreads, false, Layout, true> columns{p_.operands.columns, work.first_column()};
    for (int k = work.first_k; k < work.last_k; ++k, at.advance()) {
      ring_.await_empty(at);
      rows.load(stage_rows(at.stage), k * kTile.block_k);
      columns.load(stage_columns(at.stage), k * kTile.block_k);
      simt::fence_proxy_async();
      simt::syncwarp();  // a fence is no meeting: one lane arrives for what all have written
      if (simt::lane_index() == 0) simt::mbarrier_arrive(ring_.full(at.stage));
    }
  }

  // ---------------------------------------------------------------- consumers

  SIMT_DEVICE void consume(int consumer) {
    if constexpr (kTile.reallocates()) simt::increase_max_registers<kTile.consumer_registers()>();
    BoxStaging staging{stages_ + simt::u32(kRingBytes + consumer * 2 * kBoxBytes), 1 + consumer};
    Position at;
    for (WgmmaWork<Config> work = work_; work.is_left(); work.advance()) {
      Sums sums = {};
      multiply(work, at, consumer, sums);
      if constexpr (kTile.gathers())
        gather(p_.epilogue, work, stages_, consumer, sums);
      else
        send(work, consumer, sums, staging);
    }
    if constexpr (!kTile.gathers()) staging.drain();
    WgmmaWork<Config>::leave();
  }

  SIMT_DEVICE void multiply(const WgmmaWork<Config>& work, Position& at, int consumer, Sums& sums) const {
    Position behind = at;
    simt::wgmma_fence(sums);
    for (int k = work.first_k; k < work.last_k; ++k, at.advance()) {
      ring_.await_full(at);
      simt::wgmma_fence();
      const simt::u32 rows = stage_rows(at.stage) + simt::u32(consumer * kTile.consumer_rows() * kLine);
      SIMT_UNROLL
      for (int step = 0; step < kLine / kWgmmaK; ++step) {
        SIMT_UNROLL
        for (int group = 0; group < kGroups; ++group) {
          simt::wgmma(simt::S8{}, simt::S8{}, sums[group],
                      descriptor(rows + simt::u32(group * kWgmmaM * kLine + step * kWgmmaK)),
                      descriptor(stage_columns(at.stage) + simt::u32(step * kWgmmaK)), true);
        }
      }
      simt::wgmma_commit();
      simt::wgmma_wait<1>(sums);
      if (k > work.first_k) {
        let_go(behind.stage);
        behind.advance();
      }
    }
    simt::wgmma_wait<0>(sums);
    if (work.last_k > work.first_k) let_go(behind.stage);
  }

  static constexpr int kWgmmaK = 32;
  SIMT_DEVICE static simt::u64 descriptor(simt::u32 address) {
    return simt::matrix_descriptor(address, simt::swizzled_layout(simt::swizzle_of_span(kLine)));
  }

  // The warpgroup has read a stage: one thread tells each block that fills it.
  SIMT_DEVICE void let_go(int stage) const {
    const int thread = int(simt::thread_index()) % kWarpgroupThreads;
    if constexpr (!kMulticast) {
      if (thread == 0) simt::mbarrier_arrive(ring_.empty(stage));
    } else {
      if (thread >= kSources) return;
      // First the blocks with the same rows, then the others with the same columns.
      const int other_row = thread - kTile.cluster_columns();
      const int row = other_row < 0 ? work_.row_rank : other_row + (other_row >= work_.row_rank);
      const int column = other_row < 0 ? thread : work_.column_rank;
      const auto rank = simt::u32(column * kTile.cluster_rows() + row);
      simt::mbarrier_arrive_cluster(simt::map_shared_rank(ring_.empty(stage), rank));
    }
  }

  // ---------------------------------------------------------------- epilogues

  SIMT_DEVICE void send(const WgmmaWork<Config>& work, int consumer, const Sums& sums, BoxStaging& staging) const {
    const int column = work.first_n();
    SIMT_UNROLL
    for (int group = 0; group < kGroups; ++group) {
      const int row = work.first_m() + consumer * kTile.consumer_rows() + group * kWgmmaM;
      if constexpr (kAligned) {
        if (p_.out_by_boxes) {
          if (bytes_of(p_.epilogue.output) == 4)
            store_boxes<4, kColumns>(p_.epilogue, p_.out_map, sums[group], row, column, staging);
          else
            store_boxes<2, kColumns>(p_.epilogue, p_.out_map, sums[group], row, column, staging);
          continue;
        }
      }
      store_finished<kColumns>(p_.epilogue, sums[group], row, column, staging);
    }
  }

  const Parameters& p_;
  const WgmmaWork<Config> work_;
  const simt::u32 stages_;
  const StageRing<kTile.stages> ring_;
};

template <class Operands, class Config, bool kAligned>
SIMT_KERNEL_ALONE(Config::tile.threads())
wgmma_s8_kernel(SIMT_PARAMETERS WgmmaS8Parameters<Operands> p) {
#if SIMT_HAS_SM90A
  WgmmaS8Block<Operands, Config, kAligned>(p).run();
#endif
}

// ---- on the host, for both targets

// Blocks to launch: one a multiprocessor where they go from tile to tile, else one a tile and part of K.
inline unsigned block_count(const WgmmaTile& tile, const GemmArguments& g) {
  const unsigned m_tiles = unsigned(ceil_divide(g.m, tile.block_m * tile.cluster_m));
  const unsigned clusters = m_tiles * unsigned(ceil_divide(g.n, tile.block_n * tile.cluster_n));
  const unsigned at_once = unsigned(g.multiprocessors / tile.cluster());
  return unsigned(tile.cluster()) * (tile.persistent() && at_once < clusters ? (at_once ? at_once : 1) : clusters);
}

template <class Operands, class Config>
WgmmaS8Parameters<Operands> make_parameters(const GemmArguments& g) {
  WgmmaS8Parameters<Operands> p{.operands = Operands::template make_view<Config>(g), .epilogue = make_epilogue(g)};
  if (!Operands::kRagged || Operands::is_aligned(g)) {
    p.row_map = Operands::template row_map<Config>(g);
    p.column_map = Operands::template column_map<Config>(g);
  }
  p.out_by_boxes = !Config::tile.gathers() && leaves_by_boxes(g);
  if (p.out_by_boxes) p.out_map = encode(describe_output(g));
  return p;
}

}  // namespace immabench::inline SIMT_TARGET
