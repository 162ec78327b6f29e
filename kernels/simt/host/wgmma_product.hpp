// What wgmma computes: operands widened from shared memory or registers, and multiplied.
#pragma once
#include <array>
#include <cstdint>
#include <variant>

#include <simt/host/mma.hpp>
#include <simt/matrix_descriptor.hpp>

namespace simt::host {

class Block;

struct IntegerTypes {
  IntegerType a, b;  // both of 8 bits
};

// One instruction: D[64][n] (+)= A[64][k] B[n][k]^T.
struct WgmmaShape {
  static constexpr int kRows = 64, kThreads = 128;
  static constexpr int kLineBytes = 32;  // of an operand along K, whatever its type
  static constexpr int kChunkBytes = 16;
  static constexpr int kMaxN = 256;

  int n;
  std::variant<IntegerTypes, FloatType> types;
  bool a_in_registers;

  int k() const { return std::holds_alternative<FloatType>(types) ? kFloatDepth : kLineBytes; }
  // As a word; what D = A B adds to.
  std::uint32_t no_accumulator() const { return std::holds_alternative<FloatType>(types) ? 0x80000000u : 0; }
};

// A and B of an instruction that has been issued.
struct WgmmaOperands {
  using Fragments = std::array<std::array<std::uint32_t, 4>, WgmmaShape::kThreads>;

  std::uint64_t a_descriptor, b_descriptor;
  Fragments a;  // where it is in registers
};

// Calls visit(line, chunk, address) for every 16 bytes of an operand in shared memory.
template <class Visit>
void for_each_chunk(std::uint64_t descriptor, int lines, Visit&& visit) {
  const MatrixOperand operand = decode_descriptor(descriptor);
  for (int line = 0; line < lines; ++line) {
    for (int chunk = 0; chunk < WgmmaShape::kLineBytes / WgmmaShape::kChunkBytes; ++chunk) {
      visit(line, chunk, operand.chunk_address(line, chunk));
    }
  }
}

// d[64][n] += A B^T, as 32-bit words. How many results PTX may leave open: none of integers.
std::uint64_t add_wgmma_product(Block& block, const WgmmaShape& shape, const WgmmaOperands& operands, std::uint32_t* d);

}  // namespace simt::host
