// Tensor maps on the CPU: what a box of a tensor consists of.
#pragma once
#include <cstdint>

#include <simt/tensor_map.hpp>

namespace simt {
inline namespace emulated {

// What a kernel is given; opaque to it. Aligned as PTX asks.
struct alignas(64) TensorMap {
  TensorDescription tensor;
};

}  // namespace emulated

namespace host {

// Coordinates of the first element of a box, dimension 0 first; of im2col: of the first pixel, and the offsets of its filter
// tap.
struct BoxPosition {
  std::int32_t at[kMaxTensorRank] = {0, 0, 0, 0, 0};
  std::uint16_t offset[3] = {0, 0, 0};  // W, H, D
};

// A row of a box: elements that are neighbours along dimension 0. `address` is that of the element at `skipped`; elements
// before it and from `skipped + count` on lie outside the tensor. `count` may be 0.
struct BoxRow {
  std::uint32_t row;  // within the box
  std::uint64_t address;
  std::uint32_t skipped, count;  // elements
};

// Calls visit(BoxRow) for every row of a box, in the order they lie in shared memory.
template <class Visit>
void for_each_row(const TensorDescription& tensor, const BoxPosition& position, Visit&& visit);

namespace detail {

template <class Visit>
void visit_row(const TensorDescription& t, const std::int64_t (&at)[kMaxTensorRank], std::uint32_t row, Visit&& visit) {
  std::uint64_t address = t.base;
  bool inside = true;
  for (int i = 1; i < t.rank; ++i) {
    inside &= at[i] >= 0 && at[i] < static_cast<std::int64_t>(t.extent[i]);
    address += static_cast<std::uint64_t>(at[i]) * t.stride_bytes[i];
  }
  const std::int64_t extent = static_cast<std::int64_t>(t.extent[0]), length = t.box[0];
  const std::int64_t first = at[0] < 0 ? -at[0] : 0, last = extent - at[0] < length ? extent - at[0] : length;
  if (!inside || last <= first) return visit(BoxRow{row, 0, 0, 0});
  address += static_cast<std::uint64_t>(at[0] + first) * static_cast<std::uint64_t>(t.element_bytes);
  visit(BoxRow{row, address, static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last - first)});
}

template <class Visit>
void for_each_tile_row(const TensorDescription& t, const BoxPosition& position, Visit&& visit) {
  std::uint32_t step[kMaxTensorRank] = {};
  for (std::uint32_t row = 0, rows = t.box_elements() / t.box[0]; row < rows; ++row) {
    std::int64_t at[kMaxTensorRank];
    for (int i = 0; i < kMaxTensorRank; ++i) at[i] = std::int64_t{position.at[i]} + step[i];
    visit_row(t, at, row, visit);
    for (int i = 1; i < t.rank && ++step[i] == t.box[i]; ++i) step[i] = 0;
  }
}

// The pixels of the window that the strides meet, W fastest, then H, D and the images; each is read at its filter tap's offset.
template <class Visit>
void for_each_pixel_row(const TensorDescription& t, const BoxPosition& position, Visit&& visit) {
  const int spatial = t.spatial_rank();
  std::int64_t pixel[kMaxTensorRank];
  for (int i = 0; i < kMaxTensorRank; ++i) pixel[i] = position.at[i];
  for (std::uint32_t row = 0; row < t.box[1]; ++row) {
    std::int64_t at[kMaxTensorRank] = {pixel[0], pixel[1], pixel[2], pixel[3], pixel[4]};
    for (int i = 0; i < spatial; ++i) at[1 + i] += position.offset[i];
    visit_row(t, at, row, visit);
    int i = 0;
    for (; i < spatial; ++i) {
      pixel[1 + i] += t.traversal_stride[i];
      if (pixel[1 + i] < static_cast<std::int64_t>(t.extent[1 + i]) + t.upper[i]) break;
      pixel[1 + i] = t.lower[i];
    }
    if (i == spatial) ++pixel[1 + spatial];
  }
}

}  // namespace detail

template <class Visit>
void for_each_row(const TensorDescription& tensor, const BoxPosition& position, Visit&& visit) {
  if (tensor.im2col)
    detail::for_each_pixel_row(tensor, position, visit);
  else
    detail::for_each_tile_row(tensor, position, visit);
}

}  // namespace host
}  // namespace simt
