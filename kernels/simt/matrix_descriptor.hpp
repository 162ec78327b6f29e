// Where a wgmma operand lies in shared memory, as the 64 bits the instruction takes (PTX ISA, "Matrix Descriptor Format").
#pragma once
#include <cstdint>

#include <simt/tensor_map.hpp>

namespace simt {

// K-major operands are made of core matrices: 8 rows of 16 bytes. Rows follow each other at the swizzle's span (16 bytes
// without); groups of 8 rows at `row_group_bytes`. Without a swizzle the next 16 bytes along K are `k_bytes` away; with one
// they are neighbours, before the address bits are exchanged.
struct MatrixLayout {
  TensorSwizzle swizzle;
  std::uint32_t row_group_bytes;
  std::uint32_t k_bytes = 16;
};

// The layout of a tile that a bulk load with this swizzle leaves: rows as long as the span.
SIMT_CALLABLE constexpr MatrixLayout swizzled_layout(TensorSwizzle swizzle) {
  return {swizzle, 8 * std::uint32_t(swizzle_span(swizzle)), 16};
}

SIMT_CALLABLE constexpr std::uint64_t matrix_descriptor(std::uint32_t address, MatrixLayout layout) {
  // The field counts the modes from 128 bytes down: 1, 2, 3, and 0 for none.
  const std::uint64_t mode = layout.swizzle == TensorSwizzle::kNone ? 0 : 4 - int(layout.swizzle);
  return std::uint64_t(address >> 4 & 0x3FFF) | std::uint64_t(layout.k_bytes >> 4 & 0x3FFF) << 16 |
         std::uint64_t(layout.row_group_bytes >> 4 & 0x3FFF) << 32 | mode << 62;
}

// What a descriptor says.
struct MatrixOperand {
  std::uint32_t address;
  MatrixLayout layout;
  std::uint32_t reserved;  // base offset and unused bits: 0 in all that is modelled

  // The address of 16-byte chunk `chunk` along K of row `row`.
  constexpr std::uint32_t chunk_address(int row, int chunk) const {
    const std::uint32_t pitch = layout.swizzle == TensorSwizzle::kNone ? 16 : std::uint32_t(swizzle_span(layout.swizzle));
    const std::uint32_t step = layout.swizzle == TensorSwizzle::kNone ? layout.k_bytes : 16;
    const std::uint32_t group = std::uint32_t(row) / 8, within = std::uint32_t(row) % 8;
    return swizzled(layout.swizzle, address + group * layout.row_group_bytes + within * pitch + std::uint32_t(chunk) * step);
  }
};

constexpr MatrixOperand decode_descriptor(std::uint64_t descriptor) {
  const int mode = int(descriptor >> 62);
  const auto field = [descriptor](int at) { return std::uint32_t(descriptor >> at & 0x3FFF) << 4; };
  return {field(0),
          {mode == 0 ? TensorSwizzle::kNone : TensorSwizzle(4 - mode), field(32), field(16)},
          std::uint32_t(descriptor >> 46 & 0xFFFF) | std::uint32_t(descriptor >> 14 & 3) | std::uint32_t(descriptor >> 30 & 3)};
}

}  // namespace simt
