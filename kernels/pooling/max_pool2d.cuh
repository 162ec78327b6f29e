// Max pooling of int8 images, for sm_80 and later.
//
//   out[n,p,q,c] = largest x[n,h,w,c] of a window within the image        docs/numerics.md, "Pooling"
//
// A thread a window of 16 channels, 4 or 1, as channels and addresses allow; neighbouring threads along the channels, so that
// a warp's requests are whole sectors where a pixel is. Padding is never read. Windows that overlap meet in L1.
#pragma once
#include <pooling/pooling.hpp>
#include <pooling/windows.cuh>
#include <quantize/vector_grid.cuh>

namespace immabench::inline SIMT_TARGET {

struct MaxPoolParameters {
  simt::Global<simt::i8> x, out;
  Windows windows;
  FastDivisor by_vectors{};  // of a pixel
  int vectors = 0;           // of all outputs
};

template <int kWidth>
SIMT_KERNEL(kPoolThreads)
max_pool2d_kernel(SIMT_PARAMETERS MaxPoolParameters p) {
  const int vector = int(simt::block_index_x()) * kPoolThreads + int(simt::thread_index());
  if (vector >= p.vectors) return;
  const int pixel = p.by_vectors.quotient(vector), channel = p.by_vectors.remainder(vector, pixel) * kWidth;
  simt::ByteMaxima maxima[Channels<kWidth>::kWords];
  for_each_tap<kWidth>(p.windows, p.windows.place(pixel), p.x + channel, [&](const Channels<kWidth>& tap) {
    SIMT_UNROLL
    for (int i = 0; i < tap.kWords; ++i) simt::include_bytes(maxima[i], tap.words[i]);
  });
  Channels<kWidth> largest;
  SIMT_UNROLL
  for (int i = 0; i < largest.kWords; ++i) largest.words[i] = simt::maximal_bytes(maxima[i]);
  largest.store(p.out + (simt::i64(pixel) * p.windows.channels + channel));
}

// ---- on the host, for both targets

// Of a kernel with a thread a window, whose parameters have members of these names.
template <int kWidth, class Parameters>
Plan<Parameters> plan_of_threads(void (*kernel)(Parameters), Parameters parameters, const ConvolutionArguments& geometry) {
  const int vectors = geometry.channels / kWidth;
  parameters.by_vectors = FastDivisor(vectors);
  parameters.vectors = int(geometry.m() * vectors);
  return {kernel, parameters, unsigned(parameters.vectors - 1) / kPoolThreads + 1, kPoolThreads, 0};
}

inline Plan<MaxPoolParameters> plan(const MaxPoolArguments& a) {
  return with_width<16>(a.geometry.channels, a.x | a.out, 0, [&]<int kWidth>() {
    const MaxPoolParameters parameters{.x = {a.x}, .out = {a.out}, .windows = make_windows(a.geometry)};
    return plan_of_threads<kWidth>(&max_pool2d_kernel<kWidth>, parameters, a.geometry);
  });
}

}  // namespace immabench::inline SIMT_TARGET
