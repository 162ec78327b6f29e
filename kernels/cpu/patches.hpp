// Patches of images (im2col): what each filter meets of a row of pixels lies side by side in NHWC, so runs of bytes are moved.
#pragma once
#include <cpu/blocks.hpp>
#include <cpu/cpu.hpp>
#include <cstring>

namespace immabench::cpu {

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

// Items are output pixels, of all images.
struct Patches {
  const PatchArguments& a;
  int zero;

  // Patches of pixels [begin, end), the first of them at `to`.
  void gather(i64 begin, i64 end, i8* to) const {
    const ConvolutionArguments& g = a.geometry;
    const i64 pixels = i64{g.out_height()} * g.out_width();
    const Bounds ends{at<i8>(a.image) + i64{g.images} * image_bytes(), to + (end - begin) * a.row_bytes};
    for (i64 pixel = begin; pixel < end;) {
      const i8* image = at<i8>(a.image) + pixel / pixels * image_bytes();
      const int p = int(pixel % pixels / g.out_width()), q = int(pixel % g.out_width());
      const i64 last = std::min<i64>(end, pixel + g.out_width() - q);  // of this row of pixels
      int left = q * g.stride_width - g.padding_width;
      for (; pixel < last; ++pixel, to += a.row_bytes, left += g.stride_width)
        patch(image, p * g.stride_height - g.padding_height, left, to, ends);
    }
  }

  void operator()(i64 begin, i64 end) const { gather(begin, end, writable<i8>(a.patches) + begin * a.row_bytes); }

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
    if (within > before)
      move_run(to + before * channels, pixels + (left + before) * channels, (within - before) * channels, ends);
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

}  // namespace immabench::cpu
