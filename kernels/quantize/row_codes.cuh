// From a row of values to its codes: the scale and zero point of its own range, the codes, their sum.
#pragma once
#include <quantize/codes.cuh>
#include <quantize/row_reduction.cuh>
#include <quantize/row_values.cuh>
#include <quantize/vector_grid.cuh>

namespace immabench::inline SIMT_TARGET {

// What the codes of a row are made with.
struct RowScale {
  float scale;
  int zero_point;
  CodeRange range;
};

// Where a row's results go; `zero_point` and `row_sum` may be absent.
struct RowOutputs {
  CodeView codes;
  simt::Global<float> scale;
  simt::Global<simt::i32> zero_point, row_sum;
};

// The magnitude's bits of a finite value; 0 of an infinity or a NaN. Magnitudes order like their bits, as integers.
SIMT_DEVICE int finite_magnitude(float value) {
  const int magnitude = int(to_bits(value) & 0x7FFFFFFFu);
  return magnitude < 0x7F800000 ? magnitude : 0;
}

SIMT_DEVICE float positive_or_one(float scale) { return scale > 0.0f ? scale : 1.0f; }

// Largest finite magnitude / 127. Codes stay within [-127, 127].
template <class Row, class Reduction>
SIMT_DEVICE RowScale find_symmetric_scale(const Row& row, Reduction& reduction) {
  int largest = 0;
  row.each([&](int, int, const auto& values) {
    SIMT_UNROLL
    for (int i = 0; i < Row::kVector; ++i) {
      const int magnitude = finite_magnitude(values[i]);
      largest = magnitude > largest ? magnitude : largest;
    }
  });
  largest = reduction.max(largest);
  return {positive_or_one(simt::divide_rn(from_bits(simt::u32(largest)), 127.0f)), 0, {-127, 127}};
}

// (high - low) / 255 where low and high are the least and the largest finite value, or 0 if that lies beyond them.
template <class Row, class Reduction>
SIMT_DEVICE RowScale find_asymmetric_scale(const Row& row, Reduction& reduction) {
  int high = 0, below = 0;  // bits of high, and of -low
  row.each([&](int, int, const auto& values) {
    SIMT_UNROLL
    for (int i = 0; i < Row::kVector; ++i) {
      const int magnitude = finite_magnitude(values[i]);
      const int above = values[i] < 0.0f ? 0 : magnitude;
      high = above > high ? above : high;
      below = magnitude - above > below ? magnitude - above : below;
    }
  });
  high = reduction.max(high), below = reduction.max(below);
  constexpr float kLargest = 3.4028234663852886e38f;
  const float range = simt::add_rn(from_bits(simt::u32(high)), from_bits(simt::u32(below)));
  const float scale = positive_or_one(simt::divide_rn(range < kLargest ? range : kLargest, 255.0f));
  const int steps = simt::to_int_rn(simt::divide_rn(from_bits(simt::u32(below)), scale));
  return {scale, clamp(steps, 0, 255) - 128, {-128, 127}};
}

// Finds a row's own scale, and with one to write a zero point too, and writes them.
template <class Place, class Row, class Reduction>
SIMT_DEVICE RowScale find_scale(const Place& place, const Row& row, Reduction& reduction, const RowOutputs& out) {
  const RowScale found = out.zero_point ? find_asymmetric_scale(row, reduction) : find_symmetric_scale(row, reduction);
  if (place.leads()) {
    simt::store_global(out.scale + place.row, found.scale);
    if (out.zero_point) simt::store_global(out.zero_point + place.row, found.zero_point);
  }
  return found;
}

template <int kVector, bool kAligned, class Place, class Row, class Reduction>
SIMT_DEVICE void write_codes(const Place& place, const Row& row, Reduction& reduction, const RowScale& with,
                             const RowOutputs& out) {
  const float reciprocal = simt::divide_rn(1.0f, with.scale);
  int sum = 0;
  row.each([&](int, int vector, const auto& values) {
    CodeVector<kVector> codes = rounded_quotients(values, with.scale, reciprocal);
    SIMT_UNROLL
    for (int i = 0; i < kVector; ++i) {
      codes[i] = shift_into(codes[i], with.zero_point, with.range);
      if (place.has(vector, i)) sum += codes[i];
    }
    out.codes.template store<kVector, kAligned>(place.index(vector), codes, place.count(vector));
  });
  if (!out.row_sum) return;
  sum = reduction.sum(sum);
  if (place.leads()) simt::store_global(out.row_sum + place.row, sum);
}

// ---- on the host, for both targets

// Calls visit.operator()<kAligned, kResident>() for a row of this many columns.
template <class Config, class Visit>
auto with_row_variant(int columns, bool aligned, Visit&& visit) {
  if constexpr (Config::config.streams) {
    if (columns > Config::config.resident_columns()) {
      return aligned ? visit.template operator()<true, false>() : visit.template operator()<false, false>();
    }
  }
  return aligned ? visit.template operator()<true, true>() : visit.template operator()<false, true>();
}

// A kernel that is launched with so many blocks of a configuration.
template <class Config, class Parameters>
Plan<Parameters> row_plan(void (*kernel)(Parameters), const Parameters& parameters, int rows) {
  constexpr RowConfig kConfig = Config::config;
  return {kernel, parameters, unsigned((rows - 1) / kConfig.block_rows() + 1), kConfig.block_threads(), kConfig.shared_bytes()};
}

}  // namespace immabench::inline SIMT_TARGET
