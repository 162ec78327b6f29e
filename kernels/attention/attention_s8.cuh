// INT8 attention, fused, on the tensor cores of sm_80 and later.
//
//   S = Q K^T                                       exact int32
//   p = rint(255 * exp((S - max S) * scale))        0 to 255, softmax_codes.cuh
//   out = (sum of p V) / (sum of p) * v_scale       sums exact in int32; f32, f16, bf16, or quantized to int8
//
// head by head, over the first lengths[batch] keys. q, k, v: int8 [batch, tokens, heads, depth] by strides, rows of a head on
// 16 bytes; out without padding. A block has `queries` queries of one head, 16 a warp, and goes through the tiles of keys
// twice:
//
//   pass 1, tiles 0 .. T-1          scores --> largest of each query
//   pass 2, tiles T-1, 0 .. T-2     scores --> codes --> sums of codes and values
//
// The scores of tile T-1 stay in registers from one pass to the next: a tile that holds all keys is read and multiplied once.
// The exact maximum comes first, so nothing is rescaled, and the result does not depend on the tile.
//
//   global --cp.async--> [stage: keys | values]..[stage S-1] --ldmatrix--> fragments --mma--> scores --> codes --mma--> sums
//
//   ready   copy_async_wait<S-2> by every thread, then syncthreads: the oldest stage has landed, for everybody
//   free    the same barrier: every warp is done with the stage before, which is then refilled
//
// A thread commits one copy group per tile of a pass, empty ones past the end; queries come with the first. Codes never leave
// registers, and values are transposed on their way into them (warp_attention.cuh). The sum of codes is one more column of
// values, of ones. Specification: docs/numerics.md ("Attention").
#pragma once
#include <attention/attention_store.cuh>
#include <attention/token_loader.cuh>
#include <quantize/vector_grid.cuh>

namespace immabench::inline SIMT_TARGET {

struct AttentionParameters {
  TokenView q, k, v;
  simt::Global<simt::i32> lengths;
  float scale;
  AttentionOutput out;  // of all heads
  int heads, queries, keys, query_tiles;
};

// Which queries of which head a block has, and how many of its keys count.
struct AttentionWork {
  int batch, head, first_query, counting;
};

template <class Config>
SIMT_DEVICE AttentionWork attention_work(const AttentionParameters& p) {
  const int block = int(simt::block_index_x()), head = block / p.query_tiles, batch = head / p.heads;
  int counting = p.keys;
  if (p.lengths) counting = clamp(simt::load_global(p.lengths + batch), 0, p.keys);
  return {batch, head - batch * p.heads, (block - head * p.query_tiles) * Config::tile.queries(), counting};
}

// Adds up the values of a block's head for its warps' queries; nothing where no key counts. No copy is in flight afterwards.
template <class Config>
SIMT_DEVICE void attend(const AttentionParameters& p, const AttentionWork& work, WarpAttention<Config>& warp) {
  constexpr AttentionTile kTile = Config::tile;
  constexpr int kKeys = kTile.keys, kDepth = kTile.depth, kStages = kTile.stages;
  constexpr auto kStageBytes = simt::u32(kTile.stage_bytes()), kKeyBytes = kStageBytes / 2;
  using Tokens = TokenLoader<kKeys, kDepth, kTile.threads()>;
  const Tokens keys{p.k.head(work.batch, work.head), p.k.token_stride, work.counting};
  const Tokens values{p.v.head(work.batch, work.head), p.v.token_stride, work.counting};
  const int tiles = ceil_divide(work.counting, kKeys), steps = tiles ? 2 * tiles - 1 : 0;
  const simt::u32 queries = simt::shared_base(), first_stage = queries + simt::u32(kTile.query_bytes());
  const simt::u32 last_stage = first_stage + (kStages - 1) * kStageBytes;

  const auto produce = [&](simt::u32 stage, int step) {
    if (step < steps) {
      const int first = (step < tiles ? step : step - tiles) * kKeys;
      keys.load(stage, first);
      if (step >= tiles - 1) values.load(stage + kKeyBytes, first);
    }
    simt::copy_async_commit();
  };
  TokenLoader<kTile.queries(), kDepth, kTile.threads()>{p.q.head(work.batch, work.head), p.q.token_stride, p.queries}.load(
      queries, work.first_query);
  SIMT_UNROLL
  for (int step = 0; step < kStages - 1; ++step) produce(first_stage + step * kStageBytes, step);

  simt::u32 stage = first_stage, refilled = last_stage;
  for (int step = 0; step < steps; ++step) {
    simt::copy_async_wait<kStages - 2>();
    simt::syncthreads();
    produce(refilled, step + kStages - 1);
    const bool last = step == tiles - 1;  // of the first pass, and the first of the second
    const int counting = last ? work.counting - step * kKeys : kKeys;
    warp.score(queries, stage);
    if (step < tiles) {
      if (counting < kKeys) warp.hide_keys_from(counting);
      warp.find_largest();
      if (last) warp.share_largest();
    }
    if (step >= tiles - 1) warp.add_values(stage + kKeyBytes, counting);
    refilled = stage, stage = stage == last_stage ? first_stage : stage + kStageBytes;
  }
  simt::copy_async_wait<0>();
}

template <class Config>
SIMT_KERNEL_BESIDE(Config::tile.threads(), Config::tile.blocks)
attention_s8_kernel(SIMT_PARAMETERS AttentionParameters p) {
  const AttentionWork work = attention_work<Config>(p);
  WarpAttention<Config> warp{p.scale};
  attend(p, work, warp);
  AttentionOutput out = p.out;
  const simt::i64 first = (simt::i64(work.batch) * p.queries * p.heads + work.head) * Config::tile.depth;
  out.data = (out.data.as<simt::u8>() + first * bytes_of(out.type)).as<void>();
  store_outputs<Config>(out, warp.sums(), work.first_query + int(simt::warp_index()) * kMmaM);
}

// ---- on the host, for both targets

inline TokenView make_view(const TokenMatrix& m) { return {{m.data}, m.batch_stride, m.head_stride, int(m.token_stride)}; }

template <class Config>
Plan<AttentionParameters> plan(const AttentionArguments& a) {
  constexpr AttentionTile kTile = Config::tile;
  const int query_tiles = ceil_divide(a.queries, kTile.queries());
  const AttentionOutput out{{a.out}, a.output, a.v_scale, a.out_scale, a.out_zero, a.queries, a.heads * a.depth};
  const AttentionParameters parameters{make_view(a.q), make_view(a.k), make_view(a.v), {a.lengths}, a.scale, out,
                                       a.heads,        a.queries,      a.keys,         query_tiles};
  return {&attention_s8_kernel<Config>, parameters, unsigned(a.batch * a.heads * query_tiles), kTile.threads(),
          kTile.shared_bytes()};
}

}  // namespace immabench::inline SIMT_TARGET
