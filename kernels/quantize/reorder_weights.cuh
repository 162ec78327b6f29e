// Codes of weights from rows to fragment-major blocks, for sm_80 and later: the order in which a warp's matrix instructions
// take them, 16 bytes a lane. docs/numerics.md ("Fragment-major weights") says which code goes where.
//
//   from  [N, K]                                            one code a byte, or two, low nibble first
//   to    [ceil(N / 16)][ceil(K / block)][32 lanes][16 bytes]       a block is 16 rows of 32 bytes: 64 or 32 codes
//
//   rows r and r + 8 --8 bytes each--> lane 4r + q --a word for each lane of the quad--> shuffles --> 16 bytes --> global
//
// A lane's words are of its own rows, so that nothing leaves a quad: 4 shuffles a block, no shared memory, no barrier. A
// request reads 8 whole sectors, a store is 512 bytes in one piece. A warp makes 4 blocks side by side, which are whole lines
// of 128 bytes of 16 rows, and loads all of them before it stores the first. What is past N and K becomes code 0. Signed codes
// of 4 bits become unsigned ones, 8 above, where asked for. The ragged variant takes rows of any length and any addresses, byte
// by byte.
#pragma once
#include <parts/quads.cuh>
#include <quantize/vector_grid.cuh>

namespace immabench::inline SIMT_TARGET {

constexpr int kBlockRows = 16, kBlockRowBytes = 32;  // of a fragment-major block, as the codes lie in rows
constexpr int kBlocksPerWarp = 4;

struct ReorderWeightsParameters {
  simt::Global<simt::u8> codes;
  simt::Global<void> packed;
  int rows, columns;
  simt::u32 flip;                  // of a word's codes: turns signed ones round to unsigned ones
  simt::u32 row_blocks, k_blocks;  // blocks along N and along K
  simt::u32 row_strips;            // groups of kBlocksPerWarp blocks along K
};

using Chunk = simt::Vector<simt::u32, 2>;

// What a lane holds of rows r (0) and r + 8 (1).
struct RowChunks {
  Chunk of[2];
};

// Bytes (nibbles) 0, 1, .. of the lower half of a word to places 0, 2, .. of the whole.
SIMT_DEVICE simt::u32 spread_bytes(simt::u32 half) { return (half | half << 8) & 0x00FF00FFu; }
SIMT_DEVICE simt::u32 spread_nibbles(simt::u32 half) {
  const simt::u32 bytes = spread_bytes(half);
  return (bytes | bytes << 4) & 0x0F0F0F0Fu;
}
// The nibbles 0, 2, 4, 6 of a word side by side.
SIMT_DEVICE simt::u32 gather_nibbles(simt::u32 word) {
  const simt::u32 pairs = (word | word >> 4) & 0x00FF00FFu;
  return (pairs | pairs >> 8) & 0xFFFFu;
}
SIMT_DEVICE simt::u32 half_of(const Chunk& chunk, int i) { return chunk[i / 2] >> 16 * (i % 2) & 0xFFFFu; }
SIMT_DEVICE simt::u32 byte_of(const Chunk& chunk, int i) { return chunk[i / 4] >> 8 * (i % 4) & 0xFFu; }

// A layout says which 8 bytes of a row lane q of a quad loads (`chunk`), which word of them each lane `to` of the quad is given
// (`word`), and where the words that a lane was given by lanes 0 to 3 go (`arrange`).

// Word w of every lane is made of bytes 8w to 8w + 7 of both rows.
struct WordOfChunk {
  SIMT_DEVICE static int chunk(int q, int) { return q; }
  SIMT_DEVICE static LaneWords arrange(const LaneWords& given, int) { return given; }
};

// Low nibbles of row r, high ones of row r + 8.
struct W4M8 : WordOfChunk {
  static constexpr int kBits = 4;
  SIMT_DEVICE static simt::u32 word(const RowChunks& rows, int, int to) {
    return spread_nibbles(half_of(rows.of[0], to)) | spread_nibbles(half_of(rows.of[1], to)) << 4;
  }
};

// Nibbles i and i + 4 are a pair: of r, r + 8, and of r, r + 8 four bytes on.
struct W4M16 : WordOfChunk {
  static constexpr int kBits = 4;
  SIMT_DEVICE static simt::u32 word(const RowChunks& rows, int, int to) {
    const simt::u32 pairs = byte_of(rows.of[0], to) | byte_of(rows.of[1], to) << 8 | byte_of(rows.of[0], 4 + to) << 16 |
                            byte_of(rows.of[1], 4 + to) << 24;
    return gather_nibbles(pairs & 0x0F0F0F0Fu) | gather_nibbles(pairs >> 4 & 0x0F0F0F0Fu) << 16;
  }
};

// Bytes 0 and 2 of row r, 1 and 3 of row r + 8.
struct W8M16 : WordOfChunk {
  static constexpr int kBits = 8;
  SIMT_DEVICE static simt::u32 word(const RowChunks& rows, int, int to) {
    return spread_bytes(half_of(rows.of[0], to)) | spread_bytes(half_of(rows.of[1], to)) << 8;
  }
};

// Words are those of the rows: lane q has words q and q + 4 of both. Its neighbour loads the row r + 8 of its chunk, so that
// each lane has a word for each of the quad.
struct WordOfRow {
  SIMT_DEVICE static int chunk(int q, int half) { return q ^ half; }
  SIMT_DEVICE static simt::u32 word(const RowChunks& rows, int q, int to) {
    const bool lower = to / 2 == q % 2;
    return lower ? rows.of[0][to % 2] : rows.of[1][to % 2];
  }
  // Word `second` of the two of row r + 8 * half.
  SIMT_DEVICE static simt::u32 of_row(const LaneWords& given, int q, int half, int second) {
    const bool even = q / 2 == half;
    return even ? given[2 * second] : given[2 * second + 1];
  }
};

struct W8M8 : WordOfRow {
  static constexpr int kBits = 8;
  SIMT_DEVICE static LaneWords arrange(const LaneWords& given, int q) {
    return {of_row(given, q, 0, 0), of_row(given, q, 1, 0), of_row(given, q, 0, 1), of_row(given, q, 1, 1)};
  }
};

struct W4M4 : WordOfRow {
  static constexpr int kBits = 4;
  SIMT_DEVICE static LaneWords arrange(const LaneWords& given, int q) {
    return {of_row(given, q, 0, 0), of_row(given, q, 0, 1), of_row(given, q, 1, 0), of_row(given, q, 1, 1)};
  }
};

// 8 bytes of a row from `byte` on; zeros where there are none.
template <int kBits, bool kAligned>
SIMT_DEVICE Chunk load_chunk(const ReorderWeightsParameters& p, simt::i64 row, simt::i64 byte) {
  constexpr int kPerByte = 8 / kBits;
  Chunk chunk{};
  const simt::i64 codes = p.columns - byte * kPerByte;
  if (row >= p.rows || codes <= 0) return chunk;
  const auto from = p.codes + (row * ((p.columns - 1) / kPerByte + 1) + byte);
  if constexpr (kAligned) {
    chunk = simt::load_global(from.template as<Chunk>());
  } else {
    SIMT_UNROLL
    for (int i = 0; i < 8; ++i) {
      if (i * kPerByte < codes) chunk[i / 4] |= simt::u32(simt::load_global(from + i)) << 8 * (i % 4);
    }
  }
  SIMT_UNROLL
  for (int word = 0; word < 2; ++word) {
    const simt::i64 rest = codes - word * (32 / kBits);
    const bool whole = kAligned || rest >= 32 / kBits;
    const simt::u32 valid = whole ? ~0u : rest <= 0 ? 0u : (1u << int(rest) * kBits) - 1u;
    chunk[word] = (chunk[word] ^ p.flip) & valid;
  }
  return chunk;
}

template <class Layout>
SIMT_DEVICE LaneWords exchange(const RowChunks& rows, int q) {
  LaneWords words;
  SIMT_UNROLL
  for (int to = 0; to < 4; ++to) words[to] = Layout::word(rows, q, to);
  return Layout::arrange(transpose_quads(words, q), q);
}

template <class Layout, bool kAligned>
SIMT_KERNEL_BESIDE(kElementwiseThreads, kElementwiseBlocks)
reorder_weights_kernel(SIMT_PARAMETERS ReorderWeightsParameters p) {
  const simt::u32 strip = simt::block_index_x() * (kElementwiseThreads / simt::kWarpSize) + simt::warp_index();
  const simt::u32 row_block = strip / p.row_strips, first = strip % p.row_strips * kBlocksPerWarp;
  if (row_block >= p.row_blocks) return;  // a warp as a whole
  const int lane = int(simt::lane_index()), q = lane % 4;
  RowChunks loaded[kBlocksPerWarp];
  SIMT_UNROLL
  for (int i = 0; i < kBlocksPerWarp; ++i) {
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const simt::i64 row = simt::i64(row_block) * kBlockRows + 8 * half + lane / 4;
      const simt::i64 byte = simt::i64(first + simt::u32(i)) * kBlockRowBytes + 8 * Layout::chunk(q, half);
      loaded[i].of[half] = load_chunk<Layout::kBits, kAligned>(p, row, byte);
    }
  }
  const auto to = p.packed.template as<LaneWords>() + (simt::i64(row_block) * p.k_blocks + first) * simt::kWarpSize + lane;
  SIMT_UNROLL
  for (int i = 0; i < kBlocksPerWarp; ++i) {
    if (first + simt::u32(i) >= p.k_blocks) return;
    simt::store_global(to + i * simt::kWarpSize, exchange<Layout>(loaded[i], q));
  }
}

// ---- on the host, for both targets

template <class Layout>
Plan<ReorderWeightsParameters> reorder_weights_plan(const ReorderWeightsArguments& a) {
  constexpr int kChunkCodes = 64 / Layout::kBits, kBlockCodes = kBlockRowBytes * 8 / Layout::kBits;
  constexpr simt::u32 kWarps = kElementwiseThreads / simt::kWarpSize;
  const auto count = [](int of, int each) { return simt::u32((of - 1) / each + 1); };
  const simt::u32 row_blocks = count(a.rows, kBlockRows), k_blocks = count(a.columns, kBlockCodes);
  const simt::u32 row_strips = (k_blocks - 1) / kBlocksPerWarp + 1;
  const ReorderWeightsParameters parameters{{a.codes},  {a.packed}, a.rows,    a.columns, a.to_unsigned ? 0x88888888u : 0u,
                                            row_blocks, k_blocks,   row_strips};
  const bool aligned = is_aligned(a.columns, kChunkCodes, {{8, a.codes}});
  return {aligned ? &reorder_weights_kernel<Layout, true> : &reorder_weights_kernel<Layout, false>, parameters,
          (row_blocks * row_strips - 1) / kWarps + 1, kElementwiseThreads, 0};
}

inline Plan<ReorderWeightsParameters> plan(const ReorderWeightsArguments& a) {
  switch (a.layout) {
    case FragmentLayout::kW8M8: return reorder_weights_plan<W8M8>(a);
    case FragmentLayout::kW4M4: return reorder_weights_plan<W4M4>(a);
    case FragmentLayout::kW4M16: return reorder_weights_plan<W4M16>(a);
    case FragmentLayout::kW8M16: return reorder_weights_plan<W8M16>(a);
    case FragmentLayout::kW4M8: break;
  }
  return reorder_weights_plan<W4M8>(a);
}

}  // namespace immabench::inline SIMT_TARGET
