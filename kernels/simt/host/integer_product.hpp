// Integer matrix products on the CPU, the arithmetic behind mma.sync and wgmma.
#pragma once
#include <cstdint>

namespace simt::host {

// Operands widened to 16 bits, which hold every 4- and 8-bit value and feed the CPU's pairwise multiply-add. B is stored as
// pairs along K so that the pairs of neighbouring columns lie side by side; it is aligned to 32 bytes.
struct ProductShape {
  int rows, columns, k;  // rows a multiple of 4, columns of 8, k of 2
  int a_stride;          // elements between rows of A, a multiple of 2
};

// d[rows][columns] += a[rows][k] b[k/2][columns][2], in wrapping int32.
void add_product(const std::int16_t* a, const std::int16_t* b, std::int32_t* d, const ProductShape& shape);

}  // namespace simt::host
