// From a warp's sums of attention to outputs of its 16 queries: x = (f32(sum) * (1 / f32(sum of codes))) * v_scale, rounded.
#pragma once
#include <attention/warp_attention.cuh>
#include <gemm/epilogue_arguments.hpp>
#include <parts/quads.cuh>
#include <quantize/codes.cuh>

namespace immabench::inline SIMT_TARGET {

struct AttentionOutput {
  simt::Global<void> data;  // of this head, [queries, heads, depth]
  OutputType type;
  float v_scale, scale;  // of values, of int8 outputs
  int zero_point, queries, query_stride;
};

// Four neighbouring outputs, 16 * chunk + 4q of depth, of query g + 8 * half.
template <class Config>
SIMT_DEVICE simt::Vector<float, 4> four_outputs(const typename WarpAttention<Config>::Sums& sums, int half, int chunk,
                                                float row_scale, float v_scale) {
  simt::Vector<float, 4> x;
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) {
    const simt::i32 sum = sums[0][2 * chunk + i % 2][2 * half + i / 2];
    x[i] = simt::multiply_rn(simt::multiply_rn(simt::to_float_rn(sum), row_scale), v_scale);
  }
  return x;
}

// A lane's float outputs are 8 or 16 bytes each, and a quad's a whole sector.
template <class Element, class Config>
SIMT_DEVICE void store_floats(const AttentionOutput& out, const typename WarpAttention<Config>::Sums& sums, int first_query,
                              const float (&row_scale)[2]) {
  const auto data = out.data.as<typename Element::Stored>();
  const int lane = int(simt::lane_index());
  SIMT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int query = first_query + lane / 4 + 8 * half;
    if (query >= out.queries) continue;
    const auto row = data + (simt::i64(query) * out.query_stride + lane % 4 * 4);
    SIMT_UNROLL
    for (int chunk = 0; chunk < Config::tile.depth / kChunkBytes; ++chunk) {
      const auto x = four_outputs<Config>(sums, half, chunk, row_scale[half], out.v_scale);
      store_vector<true>(row + chunk * kChunkBytes, Element::round(x), 4);
    }
  }
}

// A lane's four codes are a word: the quad exchanges words, so that each lane stores 16 bytes.
template <class Config>
SIMT_DEVICE void store_codes(const AttentionOutput& out, const typename WarpAttention<Config>::Sums& sums, int first_query,
                             const float (&row_scale)[2]) {
  constexpr int kChunks = Config::tile.depth / kChunkBytes;
  const float reciprocal = simt::divide_rn(1.0f, out.scale);
  const int lane = int(simt::lane_index()), q = lane % 4;
  SIMT_UNROLL
  for (int first = 0; first < 2 * kChunks; first += 4) {
    LaneWords words{};
    SIMT_UNROLL
    for (int j = 0; j < 4; ++j) {
      const int half = (first + j) / kChunks, chunk = (first + j) % kChunks;
      const auto x = four_outputs<Config>(sums, half, chunk, row_scale[half], out.v_scale);
      const CodeVector<4> codes = rounded_quotients(x, out.scale, reciprocal);
      SIMT_UNROLL
      for (int i = 0; i < 4; ++i) words[j] |= (simt::u32(shift_into(codes[i], out.zero_point, {-128, 127})) & 0xFF) << 8 * i;
    }
    words = transpose_quads(words, q);
    const int query = first_query + lane / 4 + 8 * ((first + q) / kChunks), chunk = (first + q) % kChunks;
    const auto to = out.data.as<simt::i8>() + (simt::i64(query) * out.query_stride + chunk * kChunkBytes);
    if (query < out.queries) simt::store_global(to.template as<LaneWords>(), words);
  }
}

template <class Config>
SIMT_DEVICE void store_outputs(const AttentionOutput& out, const typename WarpAttention<Config>::Sums& sums, int first_query) {
  float row_scale[2];
  SIMT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const simt::i32 total = sums[0][WarpAttention<Config>::kOutputs][2 * half];
    row_scale[half] = simt::divide_rn(1.0f, simt::to_float_rn(total ? total : 1));
  }
  switch (out.type) {
    case OutputType::kF16: return store_floats<ElementF16, Config>(out, sums, first_query, row_scale);
    case OutputType::kBF16: return store_floats<ElementBF16, Config>(out, sums, first_query, row_scale);
    case OutputType::kS8: return store_codes<Config>(out, sums, first_query, row_scale);
    default: return store_floats<ElementF32, Config>(out, sums, first_query, row_scale);
  }
}

}  // namespace immabench::inline SIMT_TARGET
