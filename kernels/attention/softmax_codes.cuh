// Codes of a softmax: exponentials of int32 scores, in 1/255 of that of the largest. docs/numerics.md ("Attention") is the
// specification, with the bound of its error.
#pragma once
#include <quantize/elements.cuh>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// p = rint(255 * 2^t), t = distance * -(scale * log2 e): exp((score - largest) * scale), where distance = largest - score.
class SoftmaxCodes {
 public:
  SIMT_DEVICE explicit SoftmaxCodes(float scale) : slope_(simt::multiply_rn(scale, -kLog2E)) {}

  // The code of a distance, a whole number that is not negative, in the low byte; the other bits are those of 2^23.
  SIMT_DEVICE simt::u32 bits(float distance) const {
    // 255 * 2^f for |f| <= 1/2, of relative error below 2^-18: a minimax fit that is 255 at 0.
    constexpr float kPowers[] = {255.0f, 0x1.617e4cp+7f, 0x1.ea1774p+5f, 0x1.c8324ap+3f, 0x1.38c8cap+1f};
    constexpr float kWhole = 0x1.8p23f, kOne = 0x1p23f;  // added to a number they leave its integer in the low bits
    const float t = at_least_minus_16(simt::multiply_rn(distance, slope_));
    const float shifted = simt::add_rn(t, kWhole), f = simt::add_rn(t, -simt::add_rn(shifted, -kWhole));
    float g = kPowers[4];
    SIMT_UNROLL
    for (int i = 3; i >= 0; --i) g = simt::add_rn(simt::multiply_rn(g, f), kPowers[i]);
    const float e = from_bits(to_bits(g) + (to_bits(shifted) << 23));  // g * 2^rint(t)
    return to_bits(simt::add_rn(e, kOne));
  }
  SIMT_DEVICE int code(float distance) const { return int(bits(distance) & 0xFF); }

 private:
  static constexpr float kLog2E = 0x1.715476p+0f;

  // max(t, -16), below which every code is 0. t is not positive, -0 included: such numbers fall as their bits rise.
  SIMT_DEVICE static float at_least_minus_16(float t) {
    const simt::u32 bits = to_bits(t), least = to_bits(-16.0f);
    return from_bits(bits < least ? bits : least);
  }

  float slope_;
};

}  // namespace immabench::inline SIMT_TARGET
