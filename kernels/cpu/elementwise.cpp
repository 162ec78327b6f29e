// Quantization with given scales, and its inverse.
#include <cpu/blocks.hpp>
#include <cpu/cpu.hpp>
#include <cpu/parallel.hpp>

namespace immabench::cpu {
namespace {

// Codes as they are stored: one a byte, or two, the even one in the low nibble.
void pack(const i8* __restrict codes, simt::u8* __restrict packed, int count) {
  for (int i = 0; i < count / 2; ++i) packed[i] = simt::u8((codes[2 * i] & 0xF) | codes[2 * i + 1] << 4);
}
void unpack(const simt::u8* __restrict packed, i8* __restrict codes, int count) {
  for (int i = 0; i < count / 2; ++i) {
    codes[2 * i] = i8(i8(packed[i] << 4) >> 4);
    codes[2 * i + 1] = i8(i8(packed[i]) >> 4);
  }
}

// Calls step(scale, zero) with what belongs to elements from `index` on, `column` of their row: one for all of them or, where
// each column has its own, arrays.
template <class Arguments, class Step>
void with_scales(const Arguments& a, i64 row, i64 column, Step&& step) {
  static constexpr i32 kNone[kBlock] = {};
  const i64 index = a.granularity == Granularity::kRow ? row : a.granularity == Granularity::kColumn ? column : 0;
  const float* scale = at<float>(a.scale) + index;
  const i32* zero = a.zero_point ? at<i32>(a.zero_point) + index : kNone;
  if (a.granularity == Granularity::kColumn) return step(scale, zero);
  step(Uniform<float>{*scale}, Uniform<i32>{*zero});
}

void quantize_elements(const QuantizeArguments& a, i64 row, i64 column, i64 index, int count) {
  alignas(64) float buffer[kBlock];
  alignas(64) i8 unpacked[kBlock];
  const float* values = widened(a.type, a.x, index, buffer, count);
  i8* codes = a.code_type == CodeType::kS8 ? writable<i8>(a.codes) + index : unpacked;
  with_scales(a, row, column,
              [&](auto scale, auto zero) { quantize_block(values, scale, zero, float(a.qmin), float(a.qmax), codes, count); });
  if (a.code_type == CodeType::kS4) pack(codes, writable<simt::u8>(a.codes) + index / 2, count);
}

void dequantize_elements(const DequantizeArguments& a, i64 row, i64 column, i64 index, int count) {
  alignas(64) float buffer[kBlock];
  alignas(64) i8 unpacked[kBlock];
  const i8* codes = a.code_type == CodeType::kS8 ? at<i8>(a.codes) + index : unpacked;
  if (a.code_type == CodeType::kS4) unpack(at<simt::u8>(a.codes) + index / 2, unpacked, count);
  float* values = a.type == FloatType::kF32 ? writable<float>(a.out) + index : buffer;
  with_scales(a, row, column, [&](auto scale, auto zero) { dequantize_block(codes, scale, zero, values, count); });
  if (a.type == FloatType::kF16) round_to_half<F16>(values, writable<u16>(a.out) + index, count);
  if (a.type == FloatType::kBF16) round_to_half<BF16>(values, writable<u16>(a.out) + index, count);
}

inline void elements(const QuantizeArguments& a, i64 row, i64 column, i64 index, int count) {
  quantize_elements(a, row, column, index, count);
}
inline void elements(const DequantizeArguments& a, i64 row, i64 column, i64 index, int count) {
  dequantize_elements(a, row, column, index, count);
}

// Items are rows; where all elements have one scale, blocks of the matrix as one long row.
template <class Arguments>
struct Elementwise {
  const Arguments& a;

  i64 total() const { return i64{a.rows} * a.columns; }
  bool by_rows() const { return a.granularity != Granularity::kTensor; }
  i64 items() const { return by_rows() ? a.rows : (total() + kBlock - 1) / kBlock; }
  i64 elements_each() const { return by_rows() ? a.columns : kBlock; }

  void operator()(i64 begin, i64 end) const {
    for (i64 item = begin; item < end; ++item) {
      const i64 first = item * elements_each(), last = std::min(first + elements_each(), total());
      for (i64 index = first; index < last; index += kBlock)
        elements(a, item, index - first, index, int(std::min<i64>(kBlock, last - index)));
    }
  }
};

template <class Arguments>
void run_elements(const Arguments& a, int threads) {
  const Elementwise<Arguments> pass{a};
  run(pass, pass.items(), pass.elements_each(), threads);
}

}  // namespace

void compute(const QuantizeArguments& a, int threads) { run_elements(a, threads); }
void compute(const DequantizeArguments& a, int threads) { run_elements(a, threads); }

}  // namespace immabench::cpu
