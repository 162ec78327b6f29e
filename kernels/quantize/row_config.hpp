// How kernels that reduce rows share a row out among threads: the launch configurations, and the one rule that says which are
// valid.
#pragma once
#include <utility>

namespace immabench {

#if defined(__CUDACC__)
#define IMMABENCH_ROW_CONSTEXPR __host__ __device__ constexpr
#else
#define IMMABENCH_ROW_CONSTEXPR constexpr
#endif

// The order of every fp32 sum over a row, whatever the configuration: four neighbouring elements at a time go to partial sum
// (column / 4) mod kPartialSums (docs/numerics.md, "LayerNorm").
constexpr int kPartialSums = 256, kSumVector = 4;

struct RowConfig {
  int threads;   // of a row
  int elements;  // a thread holds in registers, at most
  bool streams;  // whether longer rows are legal: they are read again for each pass, and give the same bits

  IMMABENCH_ROW_CONSTEXPR int resident_columns() const { return threads * elements; }
  IMMABENCH_ROW_CONSTEXPR int block_threads() const { return threads < 128 ? 128 : threads; }
  IMMABENCH_ROW_CONSTEXPR int block_rows() const { return block_threads() / threads; }
  // Blocks a multiprocessor must have registers for, so that one loads while another computes: 512 threads of 128 registers.
  IMMABENCH_ROW_CONSTEXPR int blocks_beside() const { return 512 / block_threads(); }
  IMMABENCH_ROW_CONSTEXPR int warps() const { return threads / 32; }
  // A float a thread for each of two sums, a word a warp for each of three reductions of integers: each has its own place, so
  // that no barrier guards one from the next. A warp by itself needs none.
  IMMABENCH_ROW_CONSTEXPR int shared_bytes() const { return warps() == 1 ? 0 : 4 * (2 * threads + 3 * warps()); }

  // Why this configuration cannot be built, or null.
  constexpr const char* invalid_reason() const {
    if (threads < 32 || threads > kPartialSums || (threads & (threads - 1)))
      return "32, 64, 128 or 256 threads a row: whole warps, each thread with partial sums of its own";
    if (elements < 8 || elements % 8) return "a thread holds whole vectors of 16 bytes: a multiple of 8 elements";
    if (elements > 64) return "more than 64 elements a thread leave too few registers for a second block";
    if (streams && threads != kPartialSums) return "a row that is streamed takes a thread a partial sum";
    return nullptr;
  }
};

// One line a configuration: a warp a row for the widths of small models, a block for the rest.
constexpr RowConfig kRowConfigs[] = {
    {.threads = 32, .elements = 32, .streams = false},
    {.threads = 128, .elements = 64, .streams = false},
    {.threads = 256, .elements = 64, .streams = true},
};
constexpr int kRowConfigCount = sizeof(kRowConfigs) / sizeof(kRowConfigs[0]);

// A configuration as a type: see ImmaConfig.
template <int kThreads, int kElements, bool kStreams>
struct RowConfigType {
  static constexpr RowConfig config{kThreads, kElements, kStreams};
  static_assert(config.invalid_reason() == nullptr);
};
template <int kIndex>
using RowConfigAt = RowConfigType<kRowConfigs[kIndex].threads, kRowConfigs[kIndex].elements, kRowConfigs[kIndex].streams>;

// Calls visit.operator()<Config>() for configuration `index` of the table.
template <class Visit, int kIndex = 0>
auto at_row_config(int index, Visit&& visit) {
  if constexpr (kIndex + 1 < kRowConfigCount) {
    if (index > kIndex) return at_row_config<Visit, kIndex + 1>(index, std::forward<Visit>(visit));
  }
  return visit.template operator()<RowConfigAt<kIndex>>();
}

// The longest row: its sum of int8 codes fits int32, its length is exact in fp32.
constexpr int kLargestRow = 1 << 24;

}  // namespace immabench
