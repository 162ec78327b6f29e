// Activation functions of the epilogue, in fp32, each step rounded to nearest even: the same bits on every target.
#pragma once
#include <gemm/epilogue_arguments.hpp>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// The error function as a rational function of z^2, of relative error below 7 * 2^-24: its coefficients are a minimax fit of
// erf(z) / z on |z| <= 3.92, beyond which erf rounds to 1. docs/numerics.md is the specification.
SIMT_DEVICE float erf_rational(float z) {
  constexpr float kEnd = 3.92f;
  constexpr float kAbove[] = {0x1.20dd74p+0f,  0x1.997024p-3f,   0x1.9e4af2p-5f, 0x1.e52804p-9f,
                              0x1.297906p-13f, -0x1.06c5d0p-19f, 0x1.564b76p-26f};
  constexpr float kBelow[] = {1.0f, 0x1.05612cp-1f, 0x1.d70702p-4f, 0x1.d650c4p-7f, 0x1.f537e6p-11f};
  if (z >= kEnd) return 1.0f;
  if (z <= -kEnd) return -1.0f;
  const float square = simt::multiply_rn(z, z);
  float above = kAbove[6], below = kBelow[4];
  SIMT_UNROLL
  for (int i = 5; i >= 0; --i) above = simt::add_rn(simt::multiply_rn(above, square), kAbove[i]);
  SIMT_UNROLL
  for (int i = 3; i >= 0; --i) below = simt::add_rn(simt::multiply_rn(below, square), kBelow[i]);
  return simt::divide_rn(simt::multiply_rn(z, above), below);
}

SIMT_DEVICE float gelu(float x) {
  constexpr float kRootHalf = 0x1.6a09e6p-1f;
  const float twice = simt::add_rn(1.0f, erf_rational(simt::multiply_rn(x, kRootHalf)));
  return simt::multiply_rn(simt::multiply_rn(x, 0.5f), twice);
}

SIMT_DEVICE float activate(Activation activation, float x) {
  if (activation == Activation::kRelu) return x < 0.0f ? 0.0f : x;
  return activation == Activation::kGelu ? gelu(x) : x;
}

}  // namespace immabench::inline SIMT_TARGET
