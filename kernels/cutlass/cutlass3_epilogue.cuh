// This project's epilogue as the epilogue collective of a CUTLASS 3.x kernel: a consumer's sums leave it as those of our own
// kernels by wgmma do, through two boxes of its own (parts/tensor_epilogue.cuh).
#pragma once
#include <cute/tensor.hpp>
#include <cutlass/arch/barrier.h>
#include <cutlass/cutlass.h>
#include <cutlass/epilogue/collective/detail.hpp>

#include <gemm/output_boxes.cuh>
#include <parts/tensor_epilogue.cuh>
#include <tensor_maps.hpp>

#include "cutlass3_tile.hpp"

namespace immabench::inline SIMT_TARGET {

// What CUTLASS asks of an epilogue without sources: cutlass/epilogue/collective/default_epilogue.hpp.
template <class Config>
class BoxEpilogue {
  static constexpr Cutlass3Tile kTile = Config::tile;
  static constexpr int kSums = kTile.block_n / 2;

 public:
  using ElementC = std::int32_t;  // what is stored is chosen at run time; these stand for it
  using ElementD = std::int32_t;
  using StrideC = cute::Stride<std::int64_t, cute::_1, std::int64_t>;
  using StrideD = StrideC;

  struct alignas(1024) SharedStorage {
    unsigned char boxes[kTile.consumers()][2][kBoxBytes];
  };
  struct Arguments {
    EpilogueParameters epilogue;
    simt::TensorMap out_map{};
    bool by_boxes = false;  // scales alone make the output, whose rows start on 16 bytes
  };
  using Params = Arguments;

  static Arguments make_arguments(const GemmArguments& g) {
    Arguments arguments{.epilogue = make_epilogue(g), .by_boxes = leaves_by_boxes(g)};
    if (arguments.by_boxes) arguments.out_map = encode(describe_output(g));
    return arguments;
  }
  template <class ProblemShape>
  static Params to_underlying_arguments(const ProblemShape&, const Arguments& arguments, void*) {
    return arguments;
  }
  template <class ProblemShape>
  static std::size_t get_workspace_size(const ProblemShape&, const Arguments&) {
    return 0;
  }

  CUTLASS_DEVICE explicit BoxEpilogue(const Params& p) : p_(p) {}

  // Where a consumer's 64 rows of sums `group` begin in the tile. Threads are those of the tile's MMA.
  CUTLASS_HOST_DEVICE static constexpr int first_row(int thread, int group) {
    return (group * kTile.consumers_a_tile() + thread / kWarpgroupThreads) * kWgmmaM;
  }

  template <class Problem, class Block, class Place, class Engine, class Layout, class TiledMma, class Residue>
  CUTLASS_DEVICE void operator()(const Problem&, const Block&, const Place& place, const cute::Tensor<Engine, Layout>& sums,
                                 const TiledMma&, const Residue&, int thread, char*) {
    static_assert(decltype(cute::size(sums))::value == kTile.row_groups() * kSums);
    // Of CUTLASS' barriers the first 8 are its own.
    constexpr int kBarrier = int(cutlass::arch::ReservedNamedBarriers::FirstUserBarrier);
    const int consumer = int(simt::thread_index()) / kWarpgroupThreads - 1;
    simt::u32 boxes = simt::shared_base() + simt::u32(kTile.staging_offset() + consumer * 2 * kBoxBytes);
    // Opaque, or places in boxes are computed before the mainloop and held through it, for which there are no registers.
    asm volatile("" : "+r"(boxes));
    // The next tile begins with the first box again.
    static_assert(!kTile.persistent() || kTile.row_groups() * kTile.block_n / (kBoxRowBytes / 2) % 2 == 0);
    BoxStaging staging{boxes, kBarrier + consumer};
    SIMT_UNROLL
    for (int group = 0; group < kTile.row_groups(); ++group) {
      simt::i32 of_group[kSums];
      SIMT_UNROLL
      for (int i = 0; i < kSums; ++i) of_group[i] = sums(group * kSums + i);  // ((2, 2, block_n / 8), groups, 1)
      store(of_group, int(cute::get<0>(place)) * kTile.block_m + first_row(thread, group),
            int(cute::get<1>(place)) * kTile.block_n, int(cute::get<3>(place)), staging);
    }
  }

  // Boxes that are on their way have been read.
  CUTLASS_DEVICE void drain() const { simt::bulk_wait_read<0>(); }

 private:
  CUTLASS_DEVICE void store(const simt::i32 (&sums)[kSums], int row, int column, int product, BoxStaging& staging) const {
    if (!p_.by_boxes) {
      const int first = product * p_.epilogue.m + row;
      return store_finished<kTile.block_n>(epilogue_entry(p_.epilogue, product), sums, first, column, staging);
    }
    if (bytes_of(p_.epilogue.output) == 4)
      store_boxes<4, kTile.block_n>(p_.epilogue, p_.out_map, sums, row, column, staging);
    else
      store_boxes<2, kTile.block_n>(p_.epilogue, p_.out_map, sums, row, column, staging);
  }

  const Params& p_;
};

// Around it what a warp-specialised kernel asks for: CUTLASS' own adapter, and the wait for boxes on their way.
template <class Config>
class BoxCollective : public cutlass::epilogue::collective::detail::Sm90TmaWarpSpecializedAdapter<BoxEpilogue<Config>> {
  using Base = cutlass::epilogue::collective::detail::Sm90TmaWarpSpecializedAdapter<BoxEpilogue<Config>>;

 public:
  using Base::Base;
  template <class... Pipelines>
  CUTLASS_DEVICE auto store_tail(Pipelines... pipelines) {
    this->drain();
    return Base::store_tail(pipelines...);
  }
};

}  // namespace immabench::inline SIMT_TARGET
