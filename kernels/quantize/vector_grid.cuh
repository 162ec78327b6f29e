// Which elements a thread takes where each is computed by itself.
#pragma once
#include <cstdint>
#include <initializer_list>

#include <quantize/quantize.hpp>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

constexpr int kVectorsPerThread = 4;   // loads in flight before the first store
constexpr int kElementwiseBlocks = 2;  // a multiprocessor has registers for, at least

// Each row is cut into vectors of `width` neighbouring elements, the last of which may be partial; vectors are numbered through
// the matrix. A block takes 4 x 256 of them, each thread every 256th, so that a warp's accesses are one piece of memory: across
// rows too, where rows are whole vectors.
struct VectorGrid {
  int columns;
  simt::u32 row_vectors, vectors;

  struct Place {
    int row, column;
  };
  SIMT_DEVICE Place place(simt::u32 vector, int width) const {
    const simt::u32 row = vector / row_vectors;
    return {int(row), int(vector - row * row_vectors) * width};
  }
  SIMT_DEVICE simt::i64 index(const Place& at) const { return simt::i64(at.row) * columns + at.column; }
};

// `load(place, count)` fetches what a vector needs, for all of a thread's vectors before `finish(place, count, loaded)` is
// called for the first; `count` elements of it exist.
template <int kWidth, bool kAligned, class Load, class Finish>
SIMT_DEVICE void for_each_vector(const VectorGrid& grid, Load&& load, Finish&& finish) {
  const simt::u32 first = simt::block_index_x() * (kElementwiseThreads * kVectorsPerThread) + simt::thread_index();
  const auto count = [&](const VectorGrid::Place& at) { return kAligned ? kWidth : grid.columns - at.column; };
  VectorGrid::Place places[kVectorsPerThread];
  decltype(load(places[0], 0)) loaded[kVectorsPerThread];
  SIMT_UNROLL
  for (int i = 0; i < kVectorsPerThread; ++i) {
    const simt::u32 vector = first + simt::u32(i * kElementwiseThreads);
    places[i] = grid.place(vector, kWidth);
    if (vector < grid.vectors) loaded[i] = load(places[i], count(places[i]));
  }
  SIMT_UNROLL
  for (int i = 0; i < kVectorsPerThread; ++i) {
    if (first + simt::u32(i * kElementwiseThreads) < grid.vectors) finish(places[i], count(places[i]), loaded[i]);
  }
}

// ---- on the host, for both targets

// A launch: what is called with what, and how many threads call it.
template <class Parameters>
struct Plan {
  void (*kernel)(Parameters);
  Parameters parameters;
  unsigned blocks;
  int threads, shared_bytes;
};

inline VectorGrid make_grid(int rows, int columns, int width) {
  const simt::u32 row_vectors = simt::u32((columns - 1) / width + 1);
  return {columns, row_vectors, row_vectors * simt::u32(rows)};
}

template <class Parameters>
Plan<Parameters> elementwise_plan(void (*kernel)(Parameters), const Parameters& parameters) {
  constexpr simt::u32 kBlockVectors = kElementwiseThreads * kVectorsPerThread;
  return {kernel, parameters, (parameters.grid.vectors - 1) / kBlockVectors + 1, kElementwiseThreads, 0};
}

// Does everything that is indexed by column start on whole vectors? `bytes_and_addresses` are pairs: the bytes of a vector in
// an operand, and the operand's address.
struct VectorOperand {
  int bytes;
  std::uint64_t address;
};
inline bool is_aligned(int columns, int width, std::initializer_list<VectorOperand> operands) {
  bool aligned = columns % width == 0;
  for (const VectorOperand& operand : operands) aligned = aligned && operand.address % unsigned(operand.bytes) == 0;
  return aligned;
}

}  // namespace immabench::inline SIMT_TARGET
