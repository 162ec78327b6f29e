// Floats on one side, codes on the other, scales and zero points between: what quantize.cuh and dequantize.cuh share.
#pragma once
#include <quantize/codes.cuh>
#include <quantize/vector_grid.cuh>

namespace immabench::inline SIMT_TARGET {

// Elements of a vector: those of 16 bytes of floats, or 4 beside the 16 bytes of their columns' scales.
template <class Element, bool kPerColumn>
constexpr int kScaledWidth = kPerColumn ? 4 : kPerAccess<typename Element::Stored>;

// Scales and zero points as they lie in memory; `zero_point` may be absent.
struct ScaleView {
  simt::Global<float> scale;
  simt::Global<simt::i32> zero_point;
  Granularity granularity;
};

// What the elements of a vector are quantized with: one pair for all, or one each.
template <int kCount, bool kPerColumn, bool kAligned>
struct ScaleVector {
  static constexpr int kPairs = kPerColumn ? kCount : 1;
  simt::Vector<float, kPairs> scales;
  simt::Vector<simt::i32, kPairs> zero_points{};

  SIMT_DEVICE void load(const ScaleView& view, int row, int column, int count) {
    constexpr bool kOneAccess = kAligned || !kPerColumn;
    const int first = view.granularity == Granularity::kTensor ? 0 : kPerColumn ? column : row;
    scales = load_vector<kPairs, kOneAccess>(view.scale + first, count);
    if (view.zero_point) zero_points = load_vector<kPairs, kOneAccess>(view.zero_point + first, count);
  }
  SIMT_DEVICE float scale(int i) const { return scales[kPerColumn ? i : 0]; }
  SIMT_DEVICE int zero_point(int i) const { return zero_points[kPerColumn ? i : 0]; }

  SIMT_DEVICE CodeVector<kCount> quantize(const simt::Vector<float, kCount>& x, CodeRange range) const {
    CodeVector<kCount> codes;
    if constexpr (kPerColumn) {
      SIMT_UNROLL
      for (int i = 0; i < kCount; ++i) codes[i] = rounded_quotient(x[i], scale(i));
    } else {
      codes = rounded_quotients(x, scale(0), simt::divide_rn(1.0f, scale(0)));
    }
    SIMT_UNROLL
    for (int i = 0; i < kCount; ++i) codes[i] = shift_into(codes[i], zero_point(i), range);
    return codes;
  }
};

// ---- on the host, for both targets. `Arguments` have `codes`, scales and types; `floats` is the address of the floats.

template <class Arguments>
ScaleView scale_view(const Arguments& a) {
  return {{a.scale}, {a.zero_point}, a.granularity};
}

template <class Element, bool kPerColumn, class Arguments>
bool is_aligned(const Arguments& a, std::uint64_t floats) {
  constexpr int kWidth = kScaledWidth<Element, kPerColumn>, kStored = int(sizeof(typename Element::Stored));
  return is_aligned(a.columns, kWidth,
                    {{kWidth * kStored, floats},
                     {a.code_type == CodeType::kS4 ? kWidth / 2 : kWidth, a.codes},
                     {kPerColumn ? 16 : 4, a.scale | a.zero_point}});
}

// Calls visit.operator()<Element, kPerColumn, kAligned>() for what the arguments are.
template <class Arguments, class Visit>
auto with_scaled_variant(const Arguments& a, std::uint64_t floats, Visit&& visit) {
  return with_element(a.type, [&]<class Element>() {
    const auto of = [&]<bool kPerColumn>() {
      return is_aligned<Element, kPerColumn>(a, floats) ? visit.template operator()<Element, kPerColumn, true>()
                                                        : visit.template operator()<Element, kPerColumn, false>();
    };
    return a.granularity == Granularity::kColumn ? of.template operator()<true>() : of.template operator()<false>();
  });
}

}  // namespace immabench::inline SIMT_TARGET
