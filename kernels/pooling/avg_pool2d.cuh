// Average pooling of int8 images, for sm_80 and later.
//
//   mean[n,p,q,c] = f32(sum of x[n,h,w,c] - x_zero_point, of a window within the image) / f32(divisor)
//   out           = clamp(rint(mean * (x_scale / scale)) + zero_point)   int8,   or mean * x_scale   float32
//
// Sums are exact: dp4a with one byte of 1 adds one channel. Two kernels, by how many windows and pixels there are:
//
//   a thread a window of 16 channels (4 beside the 16 bytes of their floats), as in max_pool2d.cuh
//   a block a window of 32 channels, for the few large ones of global pooling: each of 4 warps reads 16, 4 or 1 pixels at a
//   time, whole sectors of 32 bytes. Lanes then trade sums for channels, so that each has one, and warps meet in shared memory.
#pragma once
#include <pooling/average.cuh>
#include <pooling/max_pool2d.cuh>

namespace immabench::inline SIMT_TARGET {

struct AvgPoolParameters {
  simt::Global<simt::i8> x;
  simt::Global<void> out;  // int8 or float32
  bool to_codes;
  AverageView average;
  Windows windows;
  FastDivisor by_vectors{};  // of a pixel; of a block's 32 channels below
  int vectors = 0;           // of all outputs
};

template <int kWidth>
SIMT_DEVICE void add_channels(CodeVector<kWidth>& sums, const Channels<kWidth>& channels) {
  SIMT_UNROLL
  for (int i = 0; i < kWidth; ++i) sums[i] = simt::dot_s8(channels.words[i / 4], 1u << 8 * (i % 4), sums[i]);
}

// Out: int8 or float.
template <class Out, int kWidth>
SIMT_KERNEL(kPoolThreads)
avg_pool2d_kernel(SIMT_PARAMETERS AvgPoolParameters p) {
  const int vector = int(simt::block_index_x()) * kPoolThreads + int(simt::thread_index());
  if (vector >= p.vectors) return;
  const int pixel = p.by_vectors.quotient(vector), channel = p.by_vectors.remainder(vector, pixel) * kWidth;
  const Windows::Place at = p.windows.place(pixel);
  const Average average(p.average);
  CodeVector<kWidth> sums;
  SIMT_UNROLL
  for (int i = 0; i < kWidth; ++i) sums[i] = -average.excess(at);
  for_each_tap<kWidth>(p.windows, at, p.x + channel, [&](const Channels<kWidth>& tap) { add_channels(sums, tap); });
  const int divisor = average.divisor(p.windows, at);
  simt::Vector<Out, kWidth> values;
  if constexpr (sizeof(Out) == 1) sums = rounded_averages(average, sums, divisor);
  SIMT_UNROLL
  for (int i = 0; i < kWidth; ++i) {
    if constexpr (sizeof(Out) == 1)
      values[i] = Out(average.code(sums[i]));
    else
      values[i] = simt::multiply_rn(average.mean(sums[i], simt::to_float_rn(divisor)), average.x_scale);
  }
  store_vector<true>(p.out.template as<Out>() + (simt::i64(pixel) * p.windows.channels + channel), values, kWidth);
}

// ---- a block a window

constexpr int kBlockWindowWarps = kBlockWindowThreads / 32;

// Lanes `kLanes` apart hold sums of the same channels: each gives away half of its channels for the other half's sums, until
// it has one channel, of its own number.
template <int kWidth>
SIMT_DEVICE int trade_sums(CodeVector<kWidth>& sums, int number) {
  constexpr int kLanes = kBlockChannels / kWidth;
  SIMT_UNROLL
  for (int half = kWidth / 2; half > 0; half /= 2) {
    const bool upper = number & half;
    SIMT_UNROLL
    for (int i = 0; i < half; ++i) {
      const int given = upper ? sums[i] : sums[i + half], kept = upper ? sums[i + half] : sums[i];
      sums[i] = kept + simt::shuffle_xor(given, half * kLanes);
    }
  }
  return sums[0];
}

// Sums of the pixels first, first + kStep, ... of a window, of the channels at `x`.
template <int kWidth, int kStep>
SIMT_DEVICE CodeVector<kWidth> sum_taps(const Windows& windows, const Windows::Place& at, simt::Global<simt::i8> x, int first) {
  const int taps = windows.filter_height * windows.filter_width;
  CodeVector<kWidth> sums{};
  for (int tap = first; tap < taps; tap += kTapsAtOnce * kStep) {
    Channels<kWidth> channels[kTapsAtOnce];
    bool inside[kTapsAtOnce];
    SIMT_UNROLL
    for (int i = 0; i < kTapsAtOnce; ++i) {
      const int of_row = windows.by_filter_width.quotient(tap + i * kStep), row = at.top + of_row;
      const int column = at.left + windows.by_filter_width.remainder(tap + i * kStep, of_row);
      inside[i] = row >= at.rows.begin && row < at.rows.end && column >= at.columns.begin && column < at.columns.end;
      if (inside[i]) channels[i].load(x + windows.index(at, row, column));
    }
    SIMT_UNROLL
    for (int i = 0; i < kTapsAtOnce; ++i) {
      if (inside[i]) add_channels(sums, channels[i]);
    }
  }
  return sums;
}

template <int kWidth>
SIMT_KERNEL(kBlockWindowThreads)
avg_pool2d_block_kernel(SIMT_PARAMETERS AvgPoolParameters p) {
  constexpr int kLanes = kBlockChannels / kWidth;
  const int block = int(simt::block_index_x()), pixel = p.by_vectors.quotient(block);
  const int lane = int(simt::lane_index()), warp = int(simt::warp_index());
  const int first_channel = p.by_vectors.remainder(block, pixel) * kBlockChannels;
  const Windows::Place at = p.windows.place(pixel);
  const int number = lane / kLanes, channel = first_channel + lane % kLanes * kWidth;
  CodeVector<kWidth> sums{};
  if (channel < p.windows.channels)
    sums = sum_taps<kWidth, kWidth * kBlockWindowWarps>(p.windows, at, p.x + channel, warp * kWidth + number);
  const int own = lane % kLanes * kWidth + number;
  simt::store_shared(simt::shared_base() + 4 * (warp * kBlockChannels + own), trade_sums(sums, number));
  simt::syncthreads();
  if (warp != 0 || first_channel + lane >= p.windows.channels) return;
  const Average average(p.average);
  int sum = -average.excess(at);
  SIMT_UNROLL
  for (int i = 0; i < kBlockWindowWarps; ++i)
    sum += simt::load_shared<int>(simt::shared_base() + 4 * (i * kBlockChannels + lane));
  const float divisor = simt::to_float_rn(average.divisor(p.windows, at));
  const simt::i64 to = simt::i64(pixel) * p.windows.channels + first_channel + lane;
  if (p.to_codes)
    simt::store_global(p.out.as<simt::i8>() + to, simt::i8(average.code(average.rounded(sum, divisor))));
  else
    simt::store_global(p.out.as<float>() + to, simt::multiply_rn(average.mean(sum, divisor), average.x_scale));
}

// ---- on the host, for both targets

inline AvgPoolParameters avg_pool2d_parameters(const AvgPoolArguments& a) {
  const AverageView average{{a.x_scale}, {a.scale}, {a.x_zero_point}, {a.zero_point}, a.count_include_pad};
  return {.x = {a.x}, .out = {a.out}, .to_codes = a.to_codes, .average = average, .windows = make_windows(a.geometry)};
}

template <AvgPoolKernel kKernel>
Plan<AvgPoolParameters> plan(const AvgPoolArguments& a);

template <>
inline Plan<AvgPoolParameters> plan<AvgPoolKernel::kThread>(const AvgPoolArguments& a) {
  const auto of = [&]<class Out, int kWidth>() {
    return plan_of_threads<kWidth>(&avg_pool2d_kernel<Out, kWidth>, avg_pool2d_parameters(a), a.geometry);
  };
  const int channels = a.geometry.channels;
  if (a.to_codes)
    return with_width<16>(channels, a.x | a.out, 0, [&]<int kWidth>() { return of.template operator()<simt::i8, kWidth>(); });
  return with_width<4>(channels, a.x, a.out, [&]<int kWidth>() { return of.template operator()<float, kWidth>(); });
}

template <>
inline Plan<AvgPoolParameters> plan<AvgPoolKernel::kBlock>(const AvgPoolArguments& a) {
  return with_width<16>(a.geometry.channels, a.x, 0, [&]<int kWidth>() -> Plan<AvgPoolParameters> {
    AvgPoolParameters parameters = avg_pool2d_parameters(a);
    const int vectors = (a.geometry.channels - 1) / kBlockChannels + 1;
    parameters.by_vectors = FastDivisor(vectors);
    parameters.vectors = int(a.geometry.m() * vectors);
    return {&avg_pool2d_block_kernel<kWidth>, parameters, unsigned(parameters.vectors), kBlockWindowThreads,
            kBlockWindowShared};
  });
}

}  // namespace immabench::inline SIMT_TARGET
