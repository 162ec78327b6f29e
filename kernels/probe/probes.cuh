// All probes, and the kernel that runs one: 16 random words a thread in, 16 out.
#pragma once
#include <probe/cluster_probes.cuh>
#include <probe/tensor_probes.cuh>
#include <probe/warp_probes.cuh>
#include <probe/wgmma_probes.cuh>
#include <tensor_maps.hpp>

namespace immabench::inline SIMT_TARGET {

template <class Which>
SIMT_DEVICE void run_probe(const ProbeParameters& p) {
  constexpr i32 lanes = Which::kShape.threads * Which::kShape.cluster;
  const i32 lane = i32(simt::block_index_x() * simt::block_size() + simt::thread_index());
  ProbeWordArray r;
  SIMT_UNROLL
  for (int i = 0; i < kProbeWords; ++i) r[i] = simt::load_global(p.in + (i * lanes + lane));
  if constexpr (requires { Which::run(p, r); })
    Which::run(p, r);
  else
    Which::run(r);
  if constexpr (!requires { Which::kWritesOutput; }) {
    SIMT_UNROLL
    for (int i = 0; i < kProbeWords; ++i) simt::store_global(p.out + (i * lanes + lane), r[i]);
  }
}

// Alone on its multiprocessor, so that setmaxnreg has all registers to move.
template <class Which>
SIMT_KERNEL_ALONE(Which::kShape.threads)
probe_kernel(SIMT_PARAMETERS ProbeParameters p) {
#if SIMT_HAS_SM90A
  run_probe<Which>(p);
#else
  if constexpr (!Which::kShape.sm90a) run_probe<Which>(p);
#endif
}

// Calls `f.template operator()<Probe>(index)` for each probe.
template <class F, class... Warp, class... Tensor, class... Cluster, class... Wgmma>
void for_each_probe(F&& f, ProbeList<Warp...>, ProbeList<Tensor...>, ProbeList<Cluster...>, ProbeList<Wgmma...>) {
  static_assert(sizeof...(Warp) + sizeof...(Tensor) + sizeof...(Cluster) + sizeof...(Wgmma) == kProbeCount);
  int index = 0;
  (f.template operator()<Warp>(index++), ...);
  (f.template operator()<Tensor>(index++), ...);
  (f.template operator()<Cluster>(index++), ...);
  (f.template operator()<Wgmma>(index++), ...);
}
template <class F>
void for_each_probe(F&& f) {
  using namespace probe_kinds;
  for_each_probe(f, WarpProbes{}, TensorProbes{}, ClusterProbes{}, WgmmaProbes{});
}

template <class Which>
ProbeParameters make_parameters(const ProbeArguments& arguments) {
  ProbeParameters parameters{{arguments.in}, {arguments.out}, {}};
  if constexpr (requires { Which::tensor(); }) {
    simt::TensorDescription tensor = Which::tensor();
    tensor.base = requires { Which::kWritesOutput; } ? arguments.out : arguments.in;
    parameters.map = encode(tensor);
  }
  return parameters;
}

}  // namespace immabench::inline SIMT_TARGET
