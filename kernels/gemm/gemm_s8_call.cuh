// What the INT8 GEMM kernels make of a call, on the host, for both targets.
#pragma once
#include <gemm/gemm_s8.hpp>
#include <parts/epilogue.cuh>
#include <parts/swizzle.cuh>

namespace immabench::inline SIMT_TARGET {

// Do all rows of the operands start on 16 bytes?
inline bool is_aligned(const GemmS8Arguments& g) { return g.k % kChunkBytes == 0 && (g.a | g.b) % kChunkBytes == 0; }

inline EpilogueParameters make_epilogue(const GemmS8Arguments& g) {
  const bool vectorised = g.n % 4 == 0 && g.out % (4 * bytes_of(g.output)) == 0 && (g.col_scale | g.bias) % 16 == 0;
  return {{g.out}, {g.row_scale}, {g.col_scale}, {g.bias},  g.row_scale_stride, g.col_scale_stride,
          g.m,     g.n,           g.output,      vectorised};
}

}  // namespace immabench::inline SIMT_TARGET
