// How a tensor in global memory is cut into boxes for the Tensor Memory Accelerator: one description for both targets.
#pragma once
#include <cstdint>

#include <simt/vocabulary.hpp>

namespace simt {

// Which bits of a shared address are exchanged so that rows of a box do not meet in the same banks: bits 4-6 are XORed with as
// many of the bits from 7 on as the mode's span of 32, 64 or 128 bytes has 16-byte chunks.
enum class TensorSwizzle : std::uint8_t { kNone, k32Bytes, k64Bytes, k128Bytes };

SIMT_CALLABLE constexpr int swizzle_span(TensorSwizzle swizzle) {
  return swizzle == TensorSwizzle::kNone ? 0 : 16 << int(swizzle);
}
SIMT_CALLABLE constexpr TensorSwizzle swizzle_of_span(int bytes) {
  return bytes == 32 ? TensorSwizzle::k32Bytes : bytes == 64 ? TensorSwizzle::k64Bytes : TensorSwizzle::k128Bytes;
}
SIMT_CALLABLE constexpr std::uint32_t swizzled(TensorSwizzle swizzle, std::uint32_t address) {
  return address ^ ((address >> 7 & ((1u << int(swizzle)) - 1)) << 4);
}

constexpr int kMaxTensorRank = 5;

// Dimension 0 is contiguous. Boxes outside the tensor read zeros, and are clipped when written.
struct TensorDescription {
  std::uint64_t base = 0;  // global address
  int element_bytes = 1;   // 1, 2, 4 or 8
  int rank = 1;
  std::uint64_t extent[kMaxTensorRank] = {1, 1, 1, 1, 1};        // elements
  std::uint64_t stride_bytes[kMaxTensorRank] = {0, 0, 0, 0, 0};  // of dimension i; [0] is not looked at
  std::uint32_t box[kMaxTensorRank] = {1, 1, 1, 1, 1};           // elements; of im2col: see below
  TensorSwizzle swizzle = TensorSwizzle::kNone;

  // im2col, of a tensor C, W, (H, (D,)) N: a box is `box[0]` channels of `box[1]` pixels, taken one after another, every
  // `traversal_stride`-th, from the window that starts `lower` from the first pixel and ends `upper` from the last one of each
  // image. A stride leaves the number of pixels as it is.
  bool im2col = false;
  int lower[3] = {0, 0, 0}, upper[3] = {0, 0, 0};  // of W, H, D
  std::uint32_t traversal_stride[3] = {1, 1, 1};   // of W, H, D

  SIMT_CALLABLE constexpr int spatial_rank() const { return rank - 2; }
  SIMT_CALLABLE constexpr std::uint32_t box_elements() const {
    std::uint32_t count = 1;
    for (int i = 0; i < (im2col ? 2 : rank); ++i) count *= box[i];
    return count;
  }
  SIMT_CALLABLE constexpr std::uint32_t box_bytes() const { return box_elements() * std::uint32_t(element_bytes); }
};

// Why the driver would not encode this description, or null (CUDA Driver API, cuTensorMapEncodeTiled, cuTensorMapEncodeIm2col).
constexpr const char* invalid_reason(const TensorDescription& t) {
  if (t.element_bytes != 1 && t.element_bytes != 2 && t.element_bytes != 4 && t.element_bytes != 8)
    return "elements have 1, 2, 4 or 8 bytes";
  if (t.rank < 1 || t.rank > kMaxTensorRank) return "a tensor has 1 to 5 dimensions";
  if (t.im2col && t.rank < 3) return "im2col needs 3 to 5 dimensions";
  if (t.base % 16) return "the tensor must start on 16 bytes";
  for (int i = 0; i < t.rank; ++i) {
    if (t.extent[i] < 1 || t.extent[i] > std::uint64_t{1} << 32) return "an extent is from 1 to 2^32";
    if (i > 0 && (t.stride_bytes[i] % 16 || t.stride_bytes[i] >= std::uint64_t{1} << 40))
      return "a stride must be a multiple of 16 bytes, below 2^40";
  }
  const int boxed = t.im2col ? 2 : t.rank;
  for (int i = 0; i < boxed; ++i) {
    const std::uint32_t most = t.im2col && i == 1 ? 1024 : 256;
    if (t.box[i] < 1 || t.box[i] > most) return "a box has 1 to 256 elements a dimension (im2col: up to 1024 pixels)";
  }
  const std::uint32_t row = t.box[0] * std::uint32_t(t.element_bytes);
  if (row % 16) return "a row of a box must be a multiple of 16 bytes";
  if (t.swizzle != TensorSwizzle::kNone && row > std::uint32_t(swizzle_span(t.swizzle)))
    return "a row of a box must fit the span of the swizzle";
  if (t.im2col) {
    const int limit = t.rank == 3 ? 1 << 15 : t.rank == 4 ? 1 << 7 : 1 << 4;
    for (int i = 0; i < t.spatial_rank(); ++i) {
      if (t.lower[i] < -limit || t.lower[i] >= limit || t.upper[i] < -limit || t.upper[i] >= limit)
        return "a corner of the im2col window is out of range";
      if (std::int64_t(t.extent[1 + i]) + t.upper[i] <= t.lower[i]) return "the im2col window is empty";
      if (t.traversal_stride[i] < 1 || t.traversal_stride[i] > 8) return "a traversal stride is from 1 to 8";
    }
  }
  return nullptr;
}

}  // namespace simt
