// Parameters of groups of K, as they reach a stage: arrays [groups][columns], padded to 16 columns as the weights are.
#pragma once
#include <gemm/mma_tile.hpp>
#include <parts/swizzle.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// How groups of 32, 64 or 128 elements lie in K tiles of kGroupTileK, kGroupSteps steps of the instruction; or one group is all
// of K.
struct GroupSchedule {
  int groups;        // along K
  int per_tile;      // 4, 2 or 1; 0 where one group is all of K
  int log2_steps;    // of a group's steps in a tile
  int padded_width;  // columns of the arrays

  SIMT_CALLABLE static GroupSchedule of(int k, int n, int group) {
    const bool whole = group == k;
    return {k / group, whole ? 0 : kGroupTileK / group,
            whole || group == 128 ? 2
            : group == 64         ? 1
                                  : 0,
            ceil_divide(n, 16) * 16};
  }
  SIMT_CALLABLE int rows() const { return kGroupSteps >> log2_steps; }  // of a stage
  SIMT_CALLABLE bool begins(int step) const { return (step & ((1 << log2_steps) - 1)) == 0; }
  SIMT_CALLABLE bool ends(int step) const { return begins(step + 1); }
  SIMT_CALLABLE int row(int step) const { return step >> log2_steps; }
};

// Brings the parameters of a K tile into a stage, one row a group: kColumns of kBytes each; zeros where there are none. A
// thread copies at most one chunk.
template <int kColumns, int kBytes, int kThreads>
class GroupLoader {
 public:
  static constexpr int kRowBytes = kColumns * kBytes;

  SIMT_DEVICE GroupLoader(simt::Global<void> data, const GroupSchedule& schedule, int first_column)
      : groups_(schedule.groups), per_tile_(schedule.per_tile), row_bytes_(schedule.padded_width * kBytes) {
    const int byte = first_column * kBytes + int(simt::thread_index()) % kChunks * kChunkBytes;
    source_ = data.as<simt::u8>() + byte;
    row_ = int(simt::thread_index()) / kChunks;
    copies_ = row_ < schedule.rows();
    exists_ = byte < row_bytes_;
  }

  SIMT_DEVICE void load(simt::u32 shared, int k_tile) const {
    if (!copies_) return;
    const int group = k_tile * per_tile_ + row_;
    simt::copy_async<kChunkBytes>(shared + simt::thread_index() * simt::u32(kChunkBytes),
                                  source_ + simt::i64(group) * row_bytes_, exists_ && group < groups_ ? kChunkBytes : 0);
  }

 private:
  static constexpr int kChunks = kRowBytes / kChunkBytes;
  static_assert(kGroupSteps * kChunks <= kThreads, "every chunk has a thread");

  simt::Global<simt::u8> source_;  // this thread's chunk of group 0
  int groups_, per_tile_, row_bytes_, row_;
  bool copies_, exists_;
};

}  // namespace immabench::inline SIMT_TARGET
