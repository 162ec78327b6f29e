// The native module `immabench._native`: one register function a topic.
#include "topics.hpp"

PYBIND11_MODULE(_native, module) {
  module.doc() = "The kernels of immabench: what was compiled, the emulated machine, and launches on a GPU.";
  immabench::bindings::register_attention(module);
  immabench::bindings::register_build(module);
  immabench::bindings::register_ceilings(module);
  immabench::bindings::register_companions(module);
  immabench::bindings::register_cpu(module);
  immabench::bindings::register_gemm(module);
  immabench::bindings::register_pooling(module);
  immabench::bindings::register_probes(module);
  immabench::bindings::register_quantize(module);
}
