// From the sum of a window to its average, as docs/numerics.md ("Pooling") specifies it.
#pragma once
#include <pooling/pooling.hpp>
#include <pooling/windows.cuh>
#include <quantize/codes.cuh>

namespace immabench::inline SIMT_TARGET {

struct AverageView {
  simt::Global<float> x_scale, scale;
  simt::Global<simt::i32> x_zero_point, zero_point;
  bool count_include_pad;
};

// What the averages of a launch have in common, in registers.
struct Average {
  float x_scale = 1, factor = 1;  // of floats; of codes: x_scale / scale
  int x_zero_point = 0, zero_point = 0;
  bool count_include_pad;

  SIMT_DEVICE explicit Average(const AverageView& view) : count_include_pad(view.count_include_pad) {
    if (view.x_scale) x_scale = simt::load_global(view.x_scale);
    if (view.scale) factor = simt::divide_rn(x_scale, simt::load_global(view.scale));
    if (view.x_zero_point) x_zero_point = simt::load_global(view.x_zero_point);
    if (view.zero_point) zero_point = simt::load_global(view.zero_point);
  }

  SIMT_DEVICE int divisor(const Windows& windows, const Windows::Place& at) const {
    return count_include_pad ? windows.filter_height * windows.filter_width : at.rows.size() * at.columns.size();
  }
  // What the sum of a window's codes has too much.
  SIMT_DEVICE int excess(const Windows::Place& at) const { return at.rows.size() * at.columns.size() * x_zero_point; }

  SIMT_DEVICE static float mean(int sum, float divisor) { return simt::divide_rn(simt::to_float_rn(sum), divisor); }
  SIMT_DEVICE int rounded(int sum, float divisor) const {
    return simt::to_int_rn(simt::multiply_rn(mean(sum, divisor), factor));
  }
  SIMT_DEVICE int code(int rounded) const { return shift_into(rounded, zero_point, {-128, 127}); }
};

// Average::rounded of each sum, by one division of the factor wherever that shows the same integer. Two roundings stand on
// either side, of t = sum * (factor / divisor) and of v = (sum / divisor) * factor: up to 256 they are less than 2^-13 apart,
// and round to the same integer if t is at least that far from every tie; beyond, both are outside any code's range. A divisor
// that is a power of two leaves one rounding, the same in both: 2x2 windows, whose averages are ties so often, never divide.
// All of it of quotients that are no subnormal numbers, whose errors are larger; else the sums go round as in divide_each.
template <int kCount>
SIMT_DEVICE CodeVector<kCount> rounded_averages(const Average& average, const CodeVector<kCount>& sums, int divisor) {
  constexpr float kFarFromTies = 0.5f - 1.0f / 8192, kLeastNormal = 0x1p-126f;
  const float count = simt::to_float_rn(divisor), quotient = simt::divide_rn(average.factor, count);
  const bool power_of_two = (divisor & (divisor - 1)) == 0;
  CodeVector<kCount> rounded;
  bool certain = true;
  SIMT_UNROLL
  for (int i = 0; i < kCount; ++i) {
    const float product = simt::multiply_rn(simt::to_float_rn(sums[i]), quotient);
    rounded[i] = simt::to_int_rn(product);
    const float rest = simt::add_rn(product, -simt::to_float_rn(rounded[i]));
    certain = certain && rest <= kFarFromTies && rest >= -kFarFromTies;
  }
  if (__builtin_expect((certain || power_of_two) && quotient >= kLeastNormal, true)) return rounded;
  CodeVector<kCount> left = sums;
  SIMT_ROLLED
  for (int round = 0; round < kCount; ++round) {
    const int first = average.rounded(left[0], count);
    SIMT_UNROLL
    for (int i = 0; i + 1 < kCount; ++i) left[i] = left[i + 1], rounded[i] = rounded[i + 1];
    rounded[kCount - 1] = first;
  }
  return rounded;
}

}  // namespace immabench::inline SIMT_TARGET
