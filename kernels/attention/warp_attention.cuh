// A warp's share of attention: 16 queries of a head, their scores with a tile of keys, codes, and sums of values.
#pragma once
#include <attention/attention_tile.hpp>
#include <attention/softmax_codes.cuh>
#include <parts/mma_fragments.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// Lane 4g + q holds scores of queries g and g + 8 with keys 2q and 2q + 1 of every 8, and needs codes of four keys a register
// as operand A of the next product. In which order keys are added up is free, so that those it holds already may be the four:
//
//   place of A (PTX)        4q .. 4q + 3                       16 + 4q .. 16 + 4q + 3
//   key, of a block of 32   2q, 2q + 1, 8 + 2q, 9 + 2q         16 + 2q, 17 + 2q, 24 + 2q, 25 + 2q
//
// Operand B is the values of the same keys, column by column, while they lie in memory row by row. ldmatrix, transposing 8 keys
// x 8 pairs of bytes, hands lane 4g + q the keys 2q and 2q + 1 of bytes 2g and 2g + 1, of 16 bytes of a row:
//
//   of keys 0 - 7       byte 0: 2q, 2g    1: 2q, 2g + 1        2: 2q + 1, 2g    3: 2q + 1, 2g + 1
//   of keys 8 - 15      byte 4: 8 + 2q, 2g    5: 8 + 2q, 2g + 1    6: 9 + 2q, 2g    7: 9 + 2q, 2g + 1
//
// Bytes 0, 2, 4, 6 are a register of column g of one instruction, which is output 2g of the 16; bytes 1, 3, 5, 7 are that of
// another, output 2g + 1.
// So the accumulators of both hold, in lane 4g + q, four neighbouring outputs 4q .. 4q + 3.
template <class Config>
class WarpAttention {
 public:
  static constexpr AttentionTile kTile = Config::tile;
  static constexpr int kKeys = kTile.keys, kDepth = kTile.depth;
  static constexpr int kOutputs = kDepth / kMmaN;  // instructions beside each other for all outputs
  using Sums = simt::i32[1][kOutputs + 1][4];      // the last are sums of codes, the same in every column

  SIMT_DEVICE explicit WarpAttention(float scale) : softmax_(scale) {}

  // Scores of the tiles of queries and of keys. Queries are fetched again for each tile: their registers are missing elsewhere.
  SIMT_DEVICE void score(simt::u32 query_tile, simt::u32 key_tile) {
    SIMT_UNROLL
    for (int i = 0; i < kKeys / kMmaN * 4; ++i) scores_[0][i / 4][i % 4] = 0;
    SIMT_UNROLL
    for (int step = 0; step < kDepth / kStepBytes; ++step) {
      simt::u32 queries[1][4], keys[kKeys / kMmaN][2];
      load_fragments_a<kMmaM, kDepth>(queries, query_tile, int(simt::warp_index()) * kMmaM, step);
      load_fragments_b<kKeys, kDepth>(keys, key_tile, 0, step);
      simt::mma_tile(simt::S8{}, simt::S8{}, scores_, queries, keys);
    }
  }

  // Keys of the tile from `counting` on cannot be the largest: no product of two tokens is as small as theirs become.
  SIMT_DEVICE void hide_keys_from(int counting) {
    const int first = 2 * (int(simt::lane_index()) % 4);
    SIMT_UNROLL
    for (int i = 0; i < kKeys / kMmaN * 4; ++i) {
      if (first + i / 4 * kMmaN + i % 2 >= counting) scores_[0][i / 4][i % 4] = kHidden;
    }
  }

  SIMT_DEVICE void find_largest() {
    SIMT_UNROLL
    for (int i = 0; i < kKeys / kMmaN * 4; ++i) {
      const simt::i32 score = scores_[0][i / 4][i % 4];
      simt::i32& largest = largest_[i % 4 / 2];
      largest = score > largest ? score : largest;
    }
  }
  // Of the quad, which has seen all keys.
  SIMT_DEVICE void share_largest() {
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      SIMT_UNROLL
      for (int distance = 1; distance < 4; distance *= 2) {
        const simt::i32 other = simt::shuffle_xor(largest_[half], distance);
        largest_[half] = other > largest_[half] ? other : largest_[half];
      }
    }
  }

  // Adds the values of the first `counting` keys of the tile, each with the code of its score.
  SIMT_DEVICE void add_values(simt::u32 tile, int counting) {
    SIMT_UNROLL
    for (int block = 0; block < kKeys / kBlock; ++block) {
      simt::u32 codes[1][4], values[kOutputs + 1][2];
      SIMT_UNROLL
      for (int i = 0; i < 4; ++i) codes[0][i] = four_codes(4 * block + i / 2 * 2, i % 2);
      if (counting < kKeys) {
        SIMT_UNROLL
        for (int i = 0; i < 4; ++i) codes[0][i] &= counting_bytes(counting - block * kBlock - i / 2 * 16);
      }
      load_values(values, tile, block);
      values[kOutputs][0] = values[kOutputs][1] = 0x01010101u;
      simt::mma_tile(simt::U8{}, simt::S8{}, sums_, codes, values);
    }
  }

  SIMT_DEVICE const Sums& sums() const { return sums_; }

 private:
  static constexpr int kStepBytes = 32, kBlock = 32;  // K of an instruction: of depth, of keys
  static constexpr simt::i32 kHidden = -(1 << 22);
  static_assert(kDepth <= 128, "scores are within 2^21 of 0, and their distances below 2^23, hidden ones too");

  // Codes of the scores of row `half` with the keys this lane has of two instructions, the first of them `column`.
  SIMT_DEVICE simt::u32 four_codes(int column, int half) const {
    simt::u32 bits[4];
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      // An integer below 2^23 in the low bits of 2^23 adds itself to it.
      const simt::u32 distance = simt::u32(largest_[half] - scores_[0][column + i / 2][2 * half + i % 2]);
      bits[i] = softmax_.bits(simt::add_rn(from_bits(to_bits(0x1p23f) + distance), -0x1p23f));
    }
    const simt::u32 low = simt::permute_bytes(bits[0], bits[1], 0x0040), high = simt::permute_bytes(bits[2], bits[3], 0x0040);
    return simt::permute_bytes(low, high, 0x5410);
  }

  // A byte of ones for each of a register's four keys that is below `counting`, which is of 16 keys.
  SIMT_DEVICE static simt::u32 counting_bytes(int counting) {
    const int first = 2 * (int(simt::lane_index()) % 4);
    simt::u32 bytes = 0;
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) bytes |= first + i / 2 * 8 + i % 2 < counting ? 0xFFu << 8 * i : 0u;
    return bytes;
  }

  SIMT_DEVICE static void load_values(simt::u32 (&values)[kOutputs + 1][2], simt::u32 tile, int block) {
    SIMT_UNROLL
    for (int chunk = 0; chunk < kDepth / kChunkBytes; ++chunk) {
      simt::u32 keys[4];  // of every 8
      simt::ldmatrix_transposed(keys, tile + SwizzledRows<kDepth>::offset(block * kBlock + int(simt::lane_index()), chunk));
      SIMT_UNROLL
      for (int i = 0; i < 2; ++i) {
        values[2 * chunk][i] = simt::permute_bytes(keys[2 * i], keys[2 * i + 1], 0x6420);
        values[2 * chunk + 1][i] = simt::permute_bytes(keys[2 * i], keys[2 * i + 1], 0x7531);
      }
    }
  }

  const SoftmaxCodes softmax_;
  simt::i32 scores_[1][kKeys / kMmaN][4];
  simt::i32 largest_[2] = {kHidden, kHidden};  // of queries g and g + 8
  Sums sums_ = {};
};

}  // namespace immabench::inline SIMT_TARGET
