// What the GEMM kernels make of a call, on the host, for both targets.
#pragma once
#include <gemm/gemm.hpp>
#include <parts/epilogue.cuh>
#include <parts/swizzle.cuh>
#include <simt/tensor_map.hpp>

namespace immabench::inline SIMT_TARGET {

// Do all rows of an operand, `k` elements of so many bits, start on 16 bytes? Then every product of a batch does.
inline bool are_rows_aligned(std::uint64_t address, int k, int bits) {
  return std::int64_t{k} * bits % (8 * kChunkBytes) == 0 && address % kChunkBytes == 0;
}
inline bool is_aligned(const GemmArguments& g) { return are_rows_aligned(g.a | g.b, g.k, 8); }

// May four neighbouring outputs, and what belongs to their columns, move by one access?
inline bool is_vectorised(const GemmArguments& g) {
  const EpilogueArguments& e = g.epilogue;
  const auto aligned = [](std::uint64_t address, int bytes) { return address % std::uint64_t(4 * bytes) == 0; };
  return g.n % 4 == 0 && aligned(g.out, bytes_of(e.output)) && aligned(e.residual, bytes_of(e.residual_type)) &&
         aligned(e.col_scale | e.bias | e.b_sum | e.out_scale | e.out_zero, 4);
}

// A K-major operand of elements of 1 or 2 bytes, in boxes of `box_rows` swizzled lines of 128 bytes.
inline simt::TensorDescription describe_operand(std::uint64_t base, int element_bytes, int rows, int k, int box_rows) {
  return {.base = base,
          .element_bytes = element_bytes,
          .rank = 2,
          .extent = {std::uint64_t(k), std::uint64_t(rows)},
          .stride_bytes = {0, std::uint64_t(k) * std::uint64_t(element_bytes)},
          .box = {std::uint32_t(128 / element_bytes), std::uint32_t(box_rows)},
          .swizzle = simt::TensorSwizzle::k128Bytes};
}

inline EpilogueParameters make_epilogue(const GemmArguments& g) {
  const EpilogueArguments& e = g.epilogue;
  return {.out = {g.out},
          .a_zero = {e.a_zero},
          .b_sum = {e.b_sum},
          .row_scale = {e.row_scale},
          .col_scale = {e.col_scale},
          .bias = {e.bias},
          .residual = {e.residual},
          .residual_scale = {e.residual_scale},
          .residual_zero = {e.residual_zero},
          .out_scale = {e.out_scale},
          .out_zero = {e.out_zero},
          .a_zero_stride = e.a_zero_stride,
          .row_scale_stride = e.row_scale_stride,
          .col_scale_stride = e.col_scale_stride,
          .out_scale_stride = e.out_scale_stride,
          .out_zero_stride = e.out_zero_stride,
          .m = g.m,
          .n = g.n,
          .output = e.output,
          .residual_type = e.residual_type,
          .activation = e.activation,
          .vectorised = is_vectorised(g)};
}

}  // namespace immabench::inline SIMT_TARGET
