// Sums of a warp tile whose groups of K have float scales: the exact integer sum s of a group becomes fp32 at its end,
//
//   sum = sum + f32(s) * scale[group, n]      each step rounded, groups in ascending order
#pragma once
#include <parts/mma_fragments.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// The integer sums, which come 2^kShift times too large, start at the bits of 1.5 * 2^(23 - kShift): read as a float, such a
// word is that number plus s, exactly, while it stays within 2^22 of its start. So a subtraction stands for the conversion,
// which the GPU does at a quarter of the rate. Groups of 128 reach 2^21: 128 products of at most 128 * 128.
template <class Config, int kShift>
class GroupSums {
 public:
  static constexpr int kRows = Config::tile.warp_m() / kMmaM, kColumns = Config::tile.warp_n() / kMmaN;

  SIMT_DEVICE GroupSums() { restart(); }

  SIMT_DEVICE WarpSums<simt::i32, Config>& group() { return group_; }
  SIMT_DEVICE const WarpSums<float, Config>& total() const { return total_; }

  // Ends a group; `scale` are of the two neighbouring columns that this lane has of each 8.
  SIMT_DEVICE void promote(const simt::Vector<float, 2> (&scale)[kColumns]) {
    SIMT_UNROLL
    for (int i = 0; i < kRows; ++i) {
      SIMT_UNROLL
      for (int j = 0; j < kColumns; ++j) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) {
          const float sum = simt::add_rn(simt::float_of_bits(simt::u32(group_[i][j][e])), -kStart);
          total_[i][j][e] = simt::add_rn(total_[i][j][e], simt::multiply_rn(sum, scale[j][e % 2]));
        }
      }
    }
    restart();
  }

 private:
  static constexpr float kStart = kShift == 4 ? 0x1.8p19f : 0x1.8p23f;
  static constexpr simt::i32 kStartBits = kShift == 4 ? 0x49400000 : 0x4B400000;
  static_assert(kShift == 0 || kShift == 4);

  SIMT_DEVICE void restart() {
    SIMT_UNROLL
    for (auto& rows : group_) {
      SIMT_UNROLL
      for (auto& four : rows) four[0] = four[1] = four[2] = four[3] = kStartBits;
    }
  }

  WarpSums<simt::i32, Config> group_;
  WarpSums<float, Config> total_ = {};
};

}  // namespace immabench::inline SIMT_TARGET
