#include <simt/host/wgmma_product.hpp>

#include <cstring>

#include <simt/fragments.hpp>
#include <simt/host/block.hpp>
#include <simt/host/integer_product.hpp>

namespace simt::host {
namespace {

constexpr int kRows = WgmmaShape::kRows, kThreads = WgmmaShape::kThreads, kLineBytes = WgmmaShape::kLineBytes;
constexpr int kChunkBytes = WgmmaShape::kChunkBytes, kMaxN = WgmmaShape::kMaxN;
using Line = std::uint8_t[kLineBytes];

// One a thread of the machine: executing an instruction touches all of it and keeps none.
struct Scratch {
  alignas(64) Line lines[kMaxN];  // of the operand being widened
  alignas(64) std::int16_t a[kRows][kLineBytes];
  alignas(64) std::int16_t b[kLineBytes / 2][kMaxN][2];
  FloatStorage<kRows> float_a;
  FloatStorage<kMaxN> float_b;
};
Scratch& scratch() {
  static thread_local Scratch memory;
  return memory;
}

void gather_from_shared(Block& block, std::uint64_t descriptor, int lines) {
  for_each_chunk(descriptor, lines, [&](int line, int chunk, std::uint32_t address) {
    std::memcpy(&scratch().lines[line][chunk * kChunkBytes], block.shared().at(address), kChunkBytes);
  });
}

// Fragments of mma.sync, 16 rows a warp. In bytes they are the same for every type.
void gather_from_registers(const WgmmaOperands& operands) {
  constexpr int kWordBytes = 4;
  for (int thread = 0; thread < kThreads; ++thread) {
    for (int r = 0; r < 4; ++r) {
      const auto at = fragments::a_element(thread % 32, r * kWordBytes, kWordBytes);
      std::memcpy(&scratch().lines[thread / 32 * 16 + at.row][at.column],
                  &operands.a[static_cast<std::size_t>(thread)][static_cast<std::size_t>(r)], kWordBytes);
    }
  }
}

void gather_a(Block& block, const WgmmaShape& shape, const WgmmaOperands& operands) {
  if (shape.a_in_registers)
    gather_from_registers(operands);
  else
    gather_from_shared(block, operands.a_descriptor, kRows);
}

std::int16_t widen(std::uint8_t value, bool is_signed) {
  return is_signed ? static_cast<std::int16_t>(static_cast<std::int8_t>(value)) : value;
}

void widen_a(const IntegerType& type) {
  for (int row = 0; row < kRows; ++row) {
    for (int k = 0; k < kLineBytes; ++k) scratch().a[row][k] = widen(scratch().lines[row][k], type.is_signed);
  }
}

void widen_b(const IntegerType& type, int n) {
  std::int16_t* pairs = scratch().b[0][0];
  for (int column = 0; column < n; ++column) {
    for (int k = 0; k < kLineBytes; ++k) {
      pairs[(k / 2 * n + column) * 2 + k % 2] = widen(scratch().lines[column][k], type.is_signed);
    }
  }
}

void widen_floats(const FloatMatrix& matrix, FloatType type, int lines) {
  for (int line = 0; line < lines; ++line) {
    std::uint16_t elements[kFloatDepth];
    std::memcpy(elements, scratch().lines[line], sizeof elements);
    set_line(matrix, type, line, elements);
  }
}

}  // namespace

std::uint64_t add_wgmma_product(Block& block, const WgmmaShape& shape, const WgmmaOperands& operands, std::uint32_t* d) {
  Scratch& own = scratch();
  gather_a(block, shape, operands);
  if (const auto* types = std::get_if<IntegerTypes>(&shape.types)) {
    widen_a(types->a);
    gather_from_shared(block, operands.b_descriptor, shape.n);
    widen_b(types->b, shape.n);
    add_product(own.a[0], own.b[0][0], reinterpret_cast<std::int32_t*>(d), {kRows, shape.n, kLineBytes, kLineBytes});
    return 0;
  }
  const FloatType type = std::get<FloatType>(shape.types);
  const FloatMatrix a = own.float_a.rows(), b = own.float_b.columns(shape.n);
  widen_floats(a, type, kRows);
  gather_from_shared(block, operands.b_descriptor, shape.n);
  widen_floats(b, type, shape.n);
  return add_float_product(a, b, d, kRows, shape.n);
}

}  // namespace simt::host
