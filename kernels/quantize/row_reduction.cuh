// Sums and largest values over the threads of a row, for all of them.
#pragma once
#include <quantize/row_config.hpp>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

// One object a kernel: every reduction takes the next piece of shared memory (RowConfig::shared_bytes), so that a barrier
// stands between its writes and its reads, and none between two reductions. All threads of the block call it, in step.
template <class Config>
class RowReduction {
 public:
  static constexpr int kThreads = Config::config.threads, kWarps = Config::config.warps();
  static constexpr int kOwnSums = kPartialSums / kThreads;  // partial sums t, t + kThreads, ... are thread t's

  SIMT_DEVICE RowReduction() : next_(simt::shared_base()) {}

  SIMT_DEVICE int sum(int value) {
    return across_warps(simt::reduce_add(value), [](int a, int b) { return a + b; });
  }
  SIMT_DEVICE int max(int value) {
    return across_warps(simt::reduce_max(value), [](int a, int b) { return a > b ? a : b; });
  }

  // Partial sum p of kPartialSums takes in p + 128, then p + 64, and so on to p + 1: a tree that is the same for every number
  // of threads. Its upper levels are within a thread, then between warps, then within a warp.
  SIMT_DEVICE float sum(float (&partial)[kOwnSums]) {
    fold(partial);
    float total = partial[0];
    if constexpr (kWarps > 1) {
      const simt::u32 thread = simt::thread_index(), lane = simt::lane_index();
      float of_warp[kWarps];
      simt::store_shared(next_ + 4 * thread, total);
      simt::syncthreads();
      SIMT_UNROLL
      for (int warp = 0; warp < kWarps; ++warp) of_warp[warp] = simt::load_shared<float>(next_ + 4 * (warp * 32 + lane));
      next_ += 4 * kThreads;
      fold(of_warp);
      total = of_warp[0];
    }
    SIMT_UNROLL
    for (int distance = 16; distance > 0; distance /= 2) total = simt::add_rn(total, simt::shuffle_xor(total, distance));
    return total;
  }

 private:
  template <int kCount>
  SIMT_DEVICE static void fold(float (&values)[kCount]) {
    SIMT_UNROLL
    for (int distance = kCount / 2; distance > 0; distance /= 2) {
      SIMT_UNROLL
      for (int i = 0; i < distance; ++i) values[i] = simt::add_rn(values[i], values[i + distance]);
    }
  }

  // `value` is that of the whole warp.
  template <class Combine>
  SIMT_DEVICE int across_warps(int value, Combine&& combine) {
    if constexpr (kWarps > 1) {
      if (simt::lane_index() == 0) simt::store_shared(next_ + 4 * simt::warp_index(), value);
      simt::syncthreads();
      value = simt::load_shared<int>(next_);
      SIMT_UNROLL
      for (int warp = 1; warp < kWarps; ++warp) value = combine(value, simt::load_shared<int>(next_ + 4 * warp));
      next_ += 4 * kWarps;
    }
    return value;
  }

  simt::u32 next_;
};

}  // namespace immabench::inline SIMT_TARGET
