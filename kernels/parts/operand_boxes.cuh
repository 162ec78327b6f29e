// Which boxes of the operands a stage of gemm/wgmma_s8.cuh holds, K tile by K tile. A policy:
//
//   View, make_view<Config>(call)   the operands as the kernel takes them, all but their tensor maps; `k_tiles()`
//   row_map<Config>(call), column_map<Config>(call)   their tensor maps
//   is_aligned(call)                can tensor maps describe them?
//   kRagged                         may they be loaded byte by byte where not?
//   kLine                           bytes of K that a box holds of a row: a swizzled line
//   Walk                            of a tile, from a K tile on: where the boxes of rows and of columns lie, so many rows
//                                   into the tile; `advance()` to the next K tile
#pragma once
#include <conv/convolution_maps.hpp>
#include <gemm/gemm_call.cuh>
#include <parts/fast_division.cuh>
#include <parts/tile_loader.cuh>
#include <tensor_maps.hpp>

namespace immabench::inline SIMT_TARGET {

template <int kRank>
struct BoxPlace {
  simt::i32 at[kRank];
};
// Of a box by im2col: its first pixel (channel, W, H, image), and the filter's tap as an offset (W, H).
struct PixelPlace {
  simt::i32 at[4];
  simt::u16 tap[2];
};

template <int kRank>
SIMT_DEVICE void load_box(simt::u32 to, const simt::TensorMap& map, const BoxPlace<kRank>& place, simt::u32 mbarrier) {
  simt::tensor_load(to, map, place.at, mbarrier);
}
SIMT_DEVICE void load_box(simt::u32 to, const simt::TensorMap& map, const PixelPlace& place, simt::u32 mbarrier) {
  simt::tensor_load_im2col(to, map, place.at, place.tap, mbarrier);
}

// Two matrices, K-major.
struct MatrixBoxes {
  static constexpr bool kRagged = true;
  static constexpr int kLine = 128;

  struct View {
    OperandView rows, columns;  // A and B, or B and A where the tile is swapped
    SIMT_DEVICE int k_tiles() const { return ceil_divide(rows.k, kLine); }
  };
  template <class Config>
  static View make_view(const GemmArguments& g) {
    const OperandView a{{g.a}, g.m, g.k}, b{{g.b}, g.n, g.k};
    return Config::tile.swapped ? View{b, a} : View{a, b};
  }
  static bool is_aligned(const GemmArguments& g) { return immabench::is_aligned(g); }
  template <class Config>
  static simt::TensorMap row_map(const GemmArguments& g) {
    return map(make_view<Config>(g).rows, Config::tile.block_rows() / Config::tile.cluster_columns());
  }
  template <class Config>
  static simt::TensorMap column_map(const GemmArguments& g) {
    return map(make_view<Config>(g).columns, Config::tile.block_columns() / Config::tile.cluster_rows());
  }
  static simt::TensorMap map(const OperandView& operand, int box_rows) {
    return encode(describe_operand(operand.data.address, 1, operand.rows, operand.k, box_rows));
  }

  class Walk {
   public:
    SIMT_DEVICE Walk(const View&, int first_row, int first_column, int k_tile)
        : row_(first_row), column_(first_column), k_tile_(k_tile) {}
    SIMT_DEVICE void advance() { ++k_tile_; }
    SIMT_DEVICE BoxPlace<2> rows(int further) const { return {{k_tile_ * kLine, row_ + further}}; }
    SIMT_DEVICE BoxPlace<2> columns(int further) const { return {{k_tile_ * kLine, column_ + further}}; }

   private:
    int row_, column_, k_tile_;
  };
};

// Images and filters: rows are pixels of the output, columns filters. A K tile is a line of channels of one tap of the filter,
// taps one after another; what lies around an image is zeros.
template <int kChannels>
struct ImageBoxes {
  static constexpr bool kRagged = false;
  static constexpr int kLine = kChannels;

  struct View {
    ConvolutionArguments shape;
    FastDivisor by_out_width, by_out_height;
    SIMT_DEVICE int channel_tiles() const { return ceil_divide(shape.channels, kLine); }
    SIMT_DEVICE int k_tiles() const { return shape.filter_height * shape.filter_width * channel_tiles(); }
  };
  template <class Config>
  static View make_view(const GemmArguments& g) {
    static_assert(!Config::tile.swapped && Config::tile.cluster_n == 1, "no box of pixels is multicast");
    return view_of(g.convolution);
  }
  static View view_of(const ConvolutionArguments& c) { return {c, FastDivisor(c.out_width()), FastDivisor(c.out_height())}; }
  static bool is_aligned(const GemmArguments& g) { return are_rows_aligned(g.a | g.b, g.convolution.channels, 8); }
  template <class Config>
  static simt::TensorMap row_map(const GemmArguments& g) {
    return encode(describe_image(g.a, g.convolution, kLine, Config::tile.block_m));
  }
  template <class Config>
  static simt::TensorMap column_map(const GemmArguments& g) {
    return encode(describe_filters(g.b, g.convolution, g.n, kLine, Config::tile.block_n / Config::tile.cluster_m));
  }

  class Walk {
   public:
    SIMT_DEVICE Walk(const View& view, int first_row, int first_column, int k_tile) : c_(view.shape), filter_(first_column) {
      const int line = view.by_out_width.quotient(first_row), q = view.by_out_width.remainder(first_row, line);
      image_ = view.by_out_height.quotient(line);
      y_ = view.by_out_height.remainder(line, image_) * c_.stride_height - c_.padding_height;
      x_ = q * c_.stride_width - c_.padding_width;
      tap_ = k_tile / view.channel_tiles();
      channel_ = k_tile % view.channel_tiles() * kLine;
      tap_y_ = tap_ / c_.filter_width;
      tap_x_ = tap_ % c_.filter_width;
    }

    SIMT_DEVICE void advance() {
      channel_ += kLine;
      if (channel_ < c_.channels) return;
      channel_ = 0, ++tap_;
      if (++tap_x_ < c_.filter_width) return;
      tap_x_ = 0, ++tap_y_;
    }
    SIMT_DEVICE bool is_left() const { return tap_y_ < c_.filter_height; }
    SIMT_DEVICE PixelPlace rows(int) const {  // all of the tile's: their box is one block's alone
      return {{channel_, x_, y_, image_}, {simt::u16(tap_x_ * c_.dilation_width), simt::u16(tap_y_ * c_.dilation_height)}};
    }
    SIMT_DEVICE BoxPlace<3> columns(int further) const { return {{channel_, tap_, filter_ + further}}; }

   private:
    const ConvolutionArguments& c_;
    int image_, y_, x_;        // of the first pixel's first tap
    int tap_, tap_y_, tap_x_;  // numbered; down and across the filter
    int channel_, filter_;
  };
};

}  // namespace immabench::inline SIMT_TARGET
