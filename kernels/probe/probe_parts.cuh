// What probes are made of: words in registers, and how a block of them is launched.
#pragma once
#include <cstring>
#include <type_traits>

#include <probe/probe.hpp>
#include <simt/simt.cuh>

namespace immabench::inline SIMT_TARGET {

using simt::i32;
using simt::u16;
using simt::u32;
using simt::u64;

using ProbeWordArray = u32[kProbeWords];

// `map` describes the input or the output where a probe has a tensor.
struct ProbeParameters {
  simt::Global<u32> in, out;
  simt::TensorMap map;
};

// Two integers in [-8, 7] as 16-bit floats, from the low byte of a word: random bits would have products whose sums PTX leaves
// open.
template <class T>
SIMT_DEVICE u32 small_pair(u32 word) {
  const float low = simt::to_float_rn(i32(word << 28) >> 28), high = simt::to_float_rn(i32(word << 24) >> 28);
  if constexpr (std::is_same_v<T, simt::F16>)
    return simt::pack_f16x2(low, high);
  else
    return simt::pack_bf16x2(low, high);
}
SIMT_DEVICE u32 as_bits(float value) {
  u32 bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Sixteen bytes of shared memory a thread.
SIMT_DEVICE u32 own_row(u32 thread) { return simt::shared_base() + 16 * thread; }
using Row = simt::Vector<u32, 4>;

// A probe is a type with `kName`, `kShape` and `run`, which overwrites the words with what came of them. One that writes its
// output itself has `kWritesOutput`; one with a tensor has `tensor()`, over the input, or over the output if it writes that.
#define IMMABENCH_PROBE_OF(Name, Shape, Parameters) \
  struct Name {                                     \
    static constexpr const char* kName = #Name;     \
    static constexpr ProbeShape kShape = Shape;     \
    static SIMT_DEVICE void run Parameters;         \
  };                                                \
  SIMT_DEVICE void Name::run Parameters
#define IMMABENCH_PROBE(Name) IMMABENCH_PROBE_OF(Name, ProbeShape{}, (ProbeWordArray & r))
#define IMMABENCH_PROBE_OF_INPUT(Name) IMMABENCH_PROBE_OF(Name, ProbeShape{}, (const ProbeParameters& p, ProbeWordArray& r))

template <class... Probes>
struct ProbeList {};

}  // namespace immabench::inline SIMT_TARGET
