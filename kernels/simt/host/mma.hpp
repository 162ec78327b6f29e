// Executes matrix instructions for a whole warp.
#pragma once
#include <cstdint>

#include <simt/host/float_product.hpp>

namespace simt::host {

struct IntegerType {
  int bits;  // 8 or 4
  bool is_signed;
};

// A tile of rows x columns matrix instructions: row i takes fragment i of A, column j fragment j of B.
struct MmaTile {
  int rows, columns;
  int a_registers;  // per fragment of A: 4, or 2 for half the K; B has half as many
  IntegerType a_type, b_type;
  // Of one instruction: 16 x 8 x k.
  int k() const { return a_registers / 2 * 4 * (32 / a_type.bits); }
};

// The same for 16-bit floats, m16n8k16: four registers of A, two of B.
struct FloatMmaTile {
  int rows, columns;
  FloatType type;
};

// One lane's registers: d[rows][columns][4], int32 or fp32; a[rows][a_registers], b[columns][a_registers / 2].
struct MmaLane {
  void* d;
  const std::uint32_t* a;
  const std::uint32_t* b;
};

// Operands as integer_product.hpp and float_product.hpp take them. One a block: too large for a fiber's stack to be cheap.
struct MmaScratch {
  static constexpr int kMaxRows = 8;  // fragments of A in a tile: a warp tile of 128 rows
  static constexpr int kMaxK = 64;
  using WideA = std::int16_t[16][kMaxK];
  using WideB = std::int16_t[kMaxK / 2][8][2];
  using Sums = std::uint32_t[16][8];  // as words
  alignas(32) WideA a[kMaxRows];
  alignas(32) WideB b;
  alignas(32) Sums sums;
  FloatStorage<16 * kMaxRows> float_a;
  FloatStorage<8> float_b;
};

// D += A B^T in wrapping int32, for all of the tile. `lanes` are 32 pointers to MmaLane.
void execute_mma(void* const* lanes, const MmaTile& tile, MmaScratch& scratch);

// D += A B^T in fp32, for all of the tile; how many results PTX may leave open.
std::uint64_t execute_mma(void* const* lanes, const FloatMmaTile& tile, MmaScratch& scratch);

// D += popcount(A op B^T), m16n8k256, for a tile of rows x columns instructions; op is xor, or and.
void execute_mma_b1(void* const* lanes, int rows, int columns, bool use_xor);

}  // namespace simt::host
