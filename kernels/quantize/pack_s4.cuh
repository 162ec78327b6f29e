// int4 codes between one a byte and two a byte, for sm_80 and later.
//
//   packed[r,c] = low nibble of codes[r,2c]  |  low nibble of codes[r,2c+1] << 4      and back, with the sign
//
// The number of columns is even. A vector is 16 codes; the ragged variant goes pair by pair, from any address.
#pragma once
#include <quantize/codes.cuh>
#include <quantize/vector_grid.cuh>

namespace immabench::inline SIMT_TARGET {

struct PackS4Parameters {
  simt::Global<void> from, to;
  VectorGrid grid;
};

constexpr int kPackWidth = 16;

template <CodeType kFrom, CodeType kTo, bool kAligned>
SIMT_DEVICE void convert_codes(const PackS4Parameters& p) {
  const CodeView from{p.from, kFrom}, to{p.to, kTo};
  const auto load = [&](const VectorGrid::Place& at, int count) {
    return from.template fetch<kPackWidth, kAligned>(p.grid.index(at), count);
  };
  const auto finish = [&](const VectorGrid::Place& at, int count, const simt::Vector<simt::i8, kPackWidth>& stored) {
    to.template store<kPackWidth, kAligned>(p.grid.index(at), from.decode(stored), count);
  };
  for_each_vector<kPackWidth, kAligned>(p.grid, load, finish);
}

template <bool kAligned>
SIMT_KERNEL_BESIDE(kElementwiseThreads, kElementwiseBlocks)
pack_s4_kernel(SIMT_PARAMETERS PackS4Parameters p) {
  convert_codes<CodeType::kS8, CodeType::kS4, kAligned>(p);
}

template <bool kAligned>
SIMT_KERNEL_BESIDE(kElementwiseThreads, kElementwiseBlocks)
unpack_s4_kernel(SIMT_PARAMETERS PackS4Parameters p) {
  convert_codes<CodeType::kS4, CodeType::kS8, kAligned>(p);
}

// ---- on the host, for both targets

inline bool is_aligned(std::uint64_t codes, std::uint64_t packed, int columns) {
  return is_aligned(columns, kPackWidth, {{kPackWidth, codes}, {kPackWidth / 2, packed}});
}

inline Plan<PackS4Parameters> plan(const PackS4Arguments& a) {
  const PackS4Parameters parameters{{a.codes}, {a.packed}, make_grid(a.rows, a.columns, kPackWidth)};
  return elementwise_plan(is_aligned(a.codes, a.packed, a.columns) ? &pack_s4_kernel<true> : &pack_s4_kernel<false>,
                          parameters);
}

inline Plan<PackS4Parameters> plan(const UnpackS4Arguments& a) {
  const PackS4Parameters parameters{{a.packed}, {a.codes}, make_grid(a.rows, a.columns, kPackWidth)};
  return elementwise_plan(is_aligned(a.codes, a.packed, a.columns) ? &unpack_s4_kernel<true> : &unpack_s4_kernel<false>,
                          parameters);
}

}  // namespace immabench::inline SIMT_TARGET
