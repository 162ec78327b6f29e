// Which matrix element each lane's registers hold, for the warp matrix instructions (PTX ISA, "Matrix Fragments").
//
// One statement of the maps, used by the emulated machine to execute the instructions and by the tests that compare them
// with CuTe's layouts. `per_register` is the number of elements in a 32-bit register: 2 for 16-bit, 4 for 8-bit, 8 for 4-bit,
// 32 for 1-bit.
#pragma once

namespace simt::fragments {

struct Coordinate {
  int row, column;
};

// A operand (16 x K, row-major): element `e` of lane `lane`. Registers alternate between the upper and lower 8 rows; from the
// third register on they hold the second half of K. K = 8 * per_register with four registers, 4 * per_register with two.
constexpr Coordinate a_element(int lane, int e, int per_register) {
  const int reg = e / per_register, group = lane / 4, quad = lane % 4;
  return {group + 8 * (reg % 2), (reg / 2) * 4 * per_register + quad * per_register + e % per_register};
}

// B operand (K x 8, column-major), as (column of B, k): element `e` of lane `lane`.
constexpr Coordinate b_element(int lane, int e, int per_register) {
  const int reg = e / per_register, group = lane / 4, quad = lane % 4;
  return {group, reg * 4 * per_register + quad * per_register + e % per_register};
}

// Accumulators (16 x 8): element `e` (0..3) of lane `lane`.
constexpr Coordinate accumulator_element(int lane, int e) { return {lane / 4 + 8 * (e / 2), 2 * (lane % 4) + e % 2}; }

// Accumulators of wgmma (64 x N): element `i` of thread `thread` of the warpgroup. Each warp holds 16 rows, as N / 8
// accumulators of mma.sync beside each other.
constexpr Coordinate wgmma_accumulator(int thread, int i) {
  const Coordinate at = accumulator_element(thread % 32, i % 4);
  return {thread / 32 * 16 + at.row, i / 4 * 8 + at.column};
}

// ldmatrix: lane `lane` receives, per 8x8 matrix of 16-bit elements, the pair starting at this (row, column).
constexpr Coordinate ldmatrix_pair(int lane) { return {lane / 4, 2 * (lane % 4)}; }

}  // namespace simt::fragments
