// Which lines of activations a stage of gemm/wgmma_packed.cuh holds: `Config::tile.line_bytes()` of K of each row, swizzled. A
// policy:
//
//   View, make_view(call)    the activations as the kernel takes them, all but their tensor map
//   map(tile, call)          the tensor map
//   Walk                     of a tile, from a line on: `place()` of its box, `advance()` to the next
#pragma once
#include <parts/operand_boxes.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// Rows of a matrix, K-major. Past its end are zeros.
struct MatrixLines {
  struct View {
    int line_elements;
  };
  template <class Tile>
  static View make_view(const Tile& tile, const GemmArguments&) {
    return View{tile.line_bytes() / tile.activation_bytes()};
  }
  template <class Tile>
  static simt::TensorMap map(const Tile& tile, const GemmArguments& g) {
    return encode(describe_operand(g.a, tile.activation_bytes(), g.m, g.k, tile.block_m));
  }

  class Walk {
   public:
    SIMT_DEVICE Walk(const View& view, int first_row, int line)
        : elements_(view.line_elements), row_(first_row), k_(line * view.line_elements) {}
    SIMT_DEVICE void advance() { k_ += elements_; }
    SIMT_DEVICE BoxPlace<2> place() const { return {{k_, row_}}; }

   private:
    int elements_, row_, k_;
  };
};

// Patches of images, 64 channels of one tap after another. The last stage may have lines past the last tap: from past the last
// channel, which are zeros.
struct ImageLines {
  using Boxes = ImageBoxes<64>;
  using View = Boxes::View;
  template <class Tile>
  static View make_view(const Tile&, const GemmArguments& g) {
    return Boxes::view_of(g.convolution);
  }
  template <class Tile>
  static simt::TensorMap map(const Tile& tile, const GemmArguments& g) {
    return encode(describe_image(g.a, g.convolution, Boxes::kLine, tile.block_m));
  }

  class Walk {
   public:
    SIMT_DEVICE Walk(const View& view, int first_row, int line)
        : channels_(view.shape.channels), boxes_(view, first_row, 0, line) {}
    SIMT_DEVICE void advance() { boxes_.advance(); }
    SIMT_DEVICE PixelPlace place() const {
      if (boxes_.is_left()) return boxes_.rows(0);
      PixelPlace outside = boxes_.rows(0);
      outside.at[0] = channels_;
      outside.tap[0] = outside.tap[1] = 0;
      return outside;
    }

   private:
    int channels_;
    Boxes::Walk boxes_;
  };
};

}  // namespace immabench::inline SIMT_TARGET
