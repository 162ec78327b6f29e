// Patches of images (im2col): what each filter meets of a row of pixels lies side by side in NHWC, so runs of bytes are moved.
#include <cpu/blocks.hpp>
#include <cpu/cpu.hpp>
#include <cpu/parallel.hpp>
#include <cstring>

namespace immabench::cpu {
namespace {

constexpr i64 kShort = 64;  // bytes moved by one vector or few

struct Bounds {
  const i8 *source, *target;  // the ends of what may be read and written
};

// A short run is moved as a whole kShort where memory allows: what it writes too much is written again by the runs that follow.
inline void move_run(i8* to, const i8* from, i64 bytes, Bounds ends) {
  if (bytes <= kShort && ends.source - from >= kShort && ends.target - to >= kShort) {
    std::memcpy(to, from, kShort);
  } else if (bytes % kShort == 0) {
    for (i64 i = 0; i < bytes; i += kShort) std::memcpy(to + i, from + i, kShort);
  } else {
    std::memcpy(to, from, std::size_t(bytes));
  }
}

// Items are rows of output pixels, of all images.
struct Patches {
  const PatchArguments& a;
  int zero;

  void operator()(i64 begin, i64 end) const {
    const ConvolutionArguments& g = a.geometry;
    i8* to = writable<i8>(a.patches) + begin * g.out_width() * a.row_bytes;
    const Bounds ends{at<i8>(a.image) + i64{g.images} * image_bytes(), to + (end - begin) * g.out_width() * a.row_bytes};
    for (i64 line = begin; line < end; ++line) {
      const i8* image = at<i8>(a.image) + line / g.out_height() * image_bytes();
      const int top = int(line % g.out_height()) * g.stride_height - g.padding_height;
      for (int q = 0; q < g.out_width(); ++q, to += a.row_bytes)
        patch(image, top, q * g.stride_width - g.padding_width, to, ends);
    }
  }

 private:
  i64 image_bytes() const { return i64{a.geometry.height} * a.geometry.width * a.geometry.channels; }

  void patch(const i8* image, int top, int left, i8* to, Bounds ends) const {
    const ConvolutionArguments& g = a.geometry;
    const i64 bytes = i64{g.filter_width} * g.channels;
    for (int r = 0; r < g.filter_height; ++r, to += bytes) {
      const int row = top + r * g.dilation_height;
      if (row < 0 || row >= g.height) {
        std::memset(to, zero, std::size_t(bytes));
      } else {
        line(image + i64{row} * g.width * g.channels, left, to, ends);
      }
    }
  }

  // What one row of a filter meets in a row of pixels.
  void line(const i8* pixels, int left, i8* to, Bounds ends) const {
    const ConvolutionArguments& g = a.geometry;
    if (g.dilation_width != 1) return dilated_line(pixels, left, to, ends);
    const int before = std::clamp(-left, 0, g.filter_width), within = std::clamp(g.width - left, before, g.filter_width);
    const i64 channels = g.channels;
    if (before) std::memset(to, zero, std::size_t(before * channels));
    if (within > before) move_run(to + before * channels, pixels + (left + before) * channels, (within - before) * channels, ends);
    if (within < g.filter_width) std::memset(to + within * channels, zero, std::size_t((g.filter_width - within) * channels));
  }

  void dilated_line(const i8* pixels, int left, i8* to, Bounds ends) const {
    const ConvolutionArguments& g = a.geometry;
    for (int s = 0; s < g.filter_width; ++s, to += g.channels) {
      const int column = left + s * g.dilation_width;
      if (column < 0 || column >= g.width) {
        std::memset(to, zero, std::size_t(g.channels));
      } else {
        move_run(to, pixels + i64{column} * g.channels, g.channels, ends);
      }
    }
  }
};

}  // namespace

void compute(const PatchArguments& a, int threads) {
  const ConvolutionArguments& g = a.geometry;
  const int zero = a.zero ? *at<i32>(a.zero) : 0;
  // A byte of a patch is moved many times as fast as an element goes through arithmetic.
  constexpr i64 kBytesAnElement = 8;
  run(Patches{a, zero}, i64{g.images} * g.out_height(), g.out_width() * a.row_bytes / kBytesAnElement, threads);
}

}  // namespace immabench::cpu
