// Floating-point matrix products on the CPU, the arithmetic behind mma.sync and wgmma of 16-bit floats with fp32 accumulators.
//
// PTX leaves open in which order an instruction adds, how it rounds on the way, and what it makes of subnormal operands. Each
// result here is the exact sum of its products and its accumulator, rounded once to nearest even, and the machine knows where
// another reading of PTX could give another: docs/numerics.md, "Floating-point matrix instructions".
#pragma once
#include <cstdint>

namespace simt::host {

// A 16-bit format: a sign, an exponent, and a mantissa in what remains. 5 is f16, 8 is bf16.
struct FloatType {
  int exponent_bits;
};

constexpr int kFloatDepth = 16;  // K of one instruction

// A or B of one instruction, widened to float64, which holds every product exactly. A line is a row of A, or a column of B.
struct FloatMatrix {
  double* values;  // element k of line l: values[l * line_stride + k * k_stride]
  int line_stride, k_stride;
  double* quantum;  // of each line: a power of two that all elements are multiples of, infinity where all are 0
  double* largest;  // of each line: magnitude, infinity or NaN where it holds one
  double* total;    // of each line: sum of magnitudes
  double* least;    // of each line: the least quantum of determined results, infinity where an element is subnormal
};

// Memory of an operand: as rows (elements of a line beside each other) or as `lines` columns (lines beside each other).
template <int kLines>
struct FloatStorage {
  static constexpr int kPadding = 8;  // keeps the elements of a column in different sets of the CPU's cache

  alignas(64) double values[(kLines + kPadding) * kFloatDepth];
  alignas(64) double quantum[kLines];
  alignas(64) double largest[kLines];
  alignas(64) double total[kLines];
  alignas(64) double least[kLines];

  FloatMatrix rows(int first = 0) {
    return {values + first * kFloatDepth, kFloatDepth, 1, quantum + first, largest + first, total + first, least + first};
  }
  FloatMatrix columns(int lines) { return {values, 1, lines + kPadding, quantum, largest, total, least}; }
};

// Widens the 16 elements of a line.
void set_line(const FloatMatrix& matrix, FloatType type, int line, const std::uint16_t* elements);

// d[rows][columns] += A B, fp32 as 32-bit words. `rows` a multiple of 4, `columns` of 8; A in rows, B in columns. An
// accumulator that is not there is -0, the neutral element of addition. Returns how many results PTX may leave open.
std::uint64_t add_float_product(const FloatMatrix& a, const FloatMatrix& b, std::uint32_t* d, int rows, int columns);

// The same without vector instructions: what other CPUs run, and what tests compare with.
std::uint64_t add_float_product_portable(const FloatMatrix& a, const FloatMatrix& b, std::uint32_t* d, int rows, int columns);

}  // namespace simt::host
