// Sums without error, for results that float64 cannot hold on the way.
#pragma once
#include <cstdint>
#include <span>

namespace simt::host {

constexpr std::uint32_t kCanonicalNaN32 = 0x7FFFFFFF;  // what the GPU's fp32 arithmetic makes of every NaN

// At most this many addends.
constexpr int kMaxAddends = 17;

// The exact sum rounded once to fp32, to nearest even. Zero is -0 only where all addends are. Infinities and NaNs as in IEEE
// 754, the NaN canonical. Addends are fp32 values or products of two bf16: magnitudes that float64 sums without overflow.
float rounded_sum(std::span<const double> addends);

}  // namespace simt::host
