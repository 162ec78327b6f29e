// What surrounds a product, computed natively on the CPU: one pass over memory for each call, the bits of docs/numerics.md.
// Operands are as the kernels' calls state them. `threads` is how many may take part; all of it may be called from any thread.
#pragma once
#include <attention/attention.hpp>
#include <conv/convolution.hpp>
#include <cstdint>
#include <gemm/epilogue_arguments.hpp>
#include <pooling/pooling.hpp>
#include <quantize/quantize.hpp>
#include <string_view>

namespace immabench::cpu {

enum class SumType : int { kS32, kF32, kS8 };

// out = the epilogue of sums, both [batch, rows, columns]; the epilogue's vectors are of all products, one after the other. An
// absent b_sum is 1 for all columns, so that a_zero is the zero point of the sums themselves. Codes lie in qmin to qmax.
struct FinishArguments {
  std::uint64_t sums = 0, out = 0;
  SumType type = SumType::kS32;
  std::int64_t batch = 1, rows = 0, columns = 0;
  int qmin = -128, qmax = 127;
  EpilogueArguments epilogue;
};

// patches[m, k] of an int8 image NHWC, and `zero` (int32 [1], 0 where absent) outside of it. Rows are `row_bytes` apart; what
// lies past k in them is left to chance.
struct PatchArguments {
  std::uint64_t image = 0, patches = 0, zero = 0;
  std::int64_t row_bytes = 0;
  ConvolutionArguments geometry;
};

// out = the epilogue of A B^T: int8 A [batch, rows, K] or the patches of an image, int8 B [batch, columns, K]; `finish` has no
// sums. Only where `product_instructions` are not "".
struct ProductArguments {
  std::uint64_t a = 0, b = 0;
  std::uint64_t panels = 0;  // B as pack_panels left it; 0 has it brought into that order in every call
  std::int64_t k = 0;
  PatchArguments patches;  // without an image, A is a matrix
  FinishArguments finish;
};
// The instructions of products on this CPU, within limit_instructions: "avx512_vnni", "avx_vnni", "avx2", "" if none.
std::string_view product_instructions();

// B [n, k] of one product in the order in which products read it, once for many calls: `panel_bytes` bytes at `panels`.
// The order is that of product_instructions.
std::int64_t panel_bytes(std::int64_t n, std::int64_t k);
void pack_panels(std::uint64_t b, std::uint64_t panels, std::int64_t n, std::int64_t k, int threads);

void compute(const ProductArguments& arguments, int threads);
void compute(const FinishArguments& arguments, int threads);
void compute(const PatchArguments& arguments, int threads);
void compute(const QuantizeArguments& arguments, int threads);
void compute(const DequantizeArguments& arguments, int threads);
void compute(const RequantizeArguments& arguments, int threads);
void compute(const QuantizeDynamicArguments& arguments, int threads);
void compute(const LayerNormQuantizeArguments& arguments, int threads);
void compute(const SoftmaxQuantizeArguments& arguments, int threads);
void compute(const MaxPoolArguments& arguments, int threads);
void compute(const AvgPoolArguments& arguments, int threads);

}  // namespace immabench::cpu
