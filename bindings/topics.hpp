// The topics of the native module.
#pragma once
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace immabench::bindings {

void register_attention(pybind11::module_& module);   // attention, and its softmax by itself
void register_build(pybind11::module_& module);       // what was compiled, which devices there are
void register_ceilings(pybind11::module_& module);    // what the hardware can do at best
void register_companions(pybind11::module_& module);  // which kernels there are around the GEMMs
void register_cpu(pybind11::module_& module);         // what surrounds products on the CPU
void register_gemm(pybind11::module_& module);        // the GEMM families
void register_pooling(pybind11::module_& module);     // max and average pooling of images
void register_probes(pybind11::module_& module);      // single primitives, to compare emulation with hardware
void register_quantize(pybind11::module_& module);    // quantization, dequantization, LayerNorm with quantization

}  // namespace immabench::bindings
