// What the kernels that measure a rate share: where the operands come from, and the clock around the loop.
#pragma once
#include <ceiling/ceiling.hpp>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

using simt::i32;
using simt::i64;
using simt::u32;

struct RateParameters {
  simt::Global<u32> operands, out;
  simt::Global<i64> clocks;
  int iterations;
};

SIMT_DEVICE u32 operand_word(const RateParameters& p, int word) {
  return simt::load_global(p.operands + (word * kRateThreads + i32(simt::thread_index())));
}

SIMT_DEVICE void store_folded(const RateParameters& p, u32 folded) {
  simt::store_global(p.out + (i64(simt::block_index_x()) * kRateThreads + simt::thread_index()), folded);
}

// Clocks of the SM and nanoseconds of the GPU's own timer while a block was between start() and stop(). They come from one SM
// and one moment, so that their quotient is the clock frequency at which these very instructions ran.
class BlockClock {
 public:
  SIMT_DEVICE void start() {
    simt::syncthreads();
    nanoseconds_ = now();
    clocks_ = clock64();
  }
  SIMT_DEVICE void stop(const RateParameters& p) {
    simt::syncthreads();
    const i64 clocks = clock64() - clocks_, nanoseconds = now() - nanoseconds_;
    if (simt::thread_index() == 0) store(p, clocks, nanoseconds);
  }
  SIMT_DEVICE static void store(const RateParameters& p, i64 clocks, i64 nanoseconds) {
    const simt::Global<i64> entry = p.clocks + 2 * i64(simt::block_index_x());
    simt::store_global(entry, clocks);
    simt::store_global(entry + 1, nanoseconds);
  }

 private:
  SIMT_DEVICE static i64 now() {
    i64 time;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time)::"memory");
    return time;
  }
  i64 clocks_ = 0, nanoseconds_ = 0;
};

// The loop of an instruction that this architecture's code does not have.
SIMT_DEVICE void report_absent(const RateParameters& p) {
  if (simt::thread_index() == 0) BlockClock::store(p, -1, -1);
}

}  // namespace immabench::inline SIMT_TARGET
