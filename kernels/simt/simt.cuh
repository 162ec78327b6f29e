// The SIMT machine: the one include of a kernel.
//
// A kernel written against this header compiles, unchanged, for a GPU (nvcc: every primitive is one PTX instruction) and for
// the CPU (any other compiler: every primitive is exact emulation, with hazards detected and memory transactions counted).
// The primitives carry the same names and signatures on both sides; see README.md for the rules a kernel keeps.
#pragma once
#if defined(__CUDACC__)
#include <simt/device/primitives.cuh>
#else
#include <simt/host/primitives.hpp>
#endif
