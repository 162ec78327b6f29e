// What groups of weights are scaled by, on its way from global memory into the stages of a ring.
#pragma once
#include <parts/packed_weights.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// As the call gives them, [k / group, n] each; null where absent.
struct GroupParameters {
  simt::Global<void> scale;  // words of the format's type
  simt::Global<simt::u8> step, zero;
  int n, k, group;
  simt::u32 neutral_zero;  // where no zero points are given: 8 of codes that were signed
  bool vectorised;   // four neighbouring columns may move as one
};

// One warp brings the parameters of kGroups groups and kPackedRows columns of the output from `first_column` on: a lane four
// neighbouring columns. `fetch` starts the loads, `store` waits for them, so that a warp can have those of the next stage under
// way while it waits for room.
template <class Format, int kGroups>
class GroupLoader {
 public:
  SIMT_DEVICE GroupLoader(const GroupParameters& p, int first_column)
      : p_(p), column_(first_column + int(simt::lane_index()) * kColumns) {}

  // Of the groups that the stage from element k0 of K on begins with; what no column or no group has stays 0.
  SIMT_DEVICE void fetch(int k0) {
    const int first = k0 / p_.group, count = p_.k / p_.group;
    SIMT_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      raw_[g] = {};
      if (first + g >= count) continue;
      const simt::i64 at = simt::i64(first + g) * p_.n + column_;
      if constexpr (Format::kScaled) load<Scale>(raw_[g].scale, p_.scale.template as<Scale>() + at);
      if (Format::kStepped && p_.step) load<simt::u8>(raw_[g].step, p_.step + at);
      if (p_.zero) load<simt::u8>(raw_[g].zero, p_.zero + at);
    }
  }

  SIMT_DEVICE void store(simt::u32 parameters) const {
    SIMT_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      simt::Vector<simt::u32, kColumns> planes[kPlanes];
      SIMT_UNROLL
      for (int i = 0; i < kColumns; ++i) {
        const simt::u32 step = Format::kStepped && p_.step ? element<simt::u8>(raw_[g].step, i) : 1;
        const simt::u32 zero = p_.zero ? element<simt::u8>(raw_[g].zero, i) : p_.neutral_zero;
        simt::u32 words[kPlanes];
        Format::parameters({element<Scale>(raw_[g].scale, i), step, zero}, words);
        SIMT_UNROLL
        for (int plane = 0; plane < kPlanes; ++plane) planes[plane][i] = words[plane];
      }
      SIMT_UNROLL
      for (int plane = 0; plane < kPlanes; ++plane) {
        const int row = (g * kPlanes + plane) * kPackedRows + int(simt::lane_index()) * kColumns;
        simt::store_shared(parameters + simt::u32(row * 4), planes[plane]);
      }
    }
  }

 private:
  using Scale = typename Format::Scale;
  static constexpr int kColumns = 4, kPlanes = Format::kParameterPlanes;
  static_assert(kColumns * simt::kWarpSize == kPackedRows);
  // Four neighbouring elements in as few registers as hold them.
  template <class T>
  using Four = simt::Vector<simt::u32, sizeof(T)>;
  struct Raw {
    Four<Scale> scale;
    Four<simt::u8> step, zero;
  };

  template <class T>
  SIMT_DEVICE void load(Four<T>& to, simt::Global<T> from) const {
    if (p_.vectorised) {
      if (column_ < p_.n) to = simt::load_global(from.template as<Four<T>>());
      return;
    }
    SIMT_UNROLL
    for (int i = 0; i < kColumns; ++i) {
      if (column_ + i >= p_.n) break;
      constexpr int kEach = 4 / sizeof(T);
      to[i / kEach] |= simt::u32(simt::load_global(from + i)) << i % kEach * 8 * int(sizeof(T));
    }
  }
  template <class T>
  SIMT_DEVICE static simt::u32 element(const Four<T>& four, int i) {
    constexpr int kEach = 4 / sizeof(T);
    return four[i / kEach] >> i % kEach * 8 * int(sizeof(T)) & (0xFFFFFFFFu >> (32 - 8 * int(sizeof(T))));
  }

  const GroupParameters& p_;
  const int column_;
  Raw raw_[kGroups];
};

}  // namespace immabench::inline SIMT_TARGET
