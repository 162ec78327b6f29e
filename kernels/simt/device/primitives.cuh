// The machine on a GPU. One file a family; one primitive, one PTX instruction.
#pragma once
#include <simt/vocabulary.hpp>

#define SIMT_DEVICE __device__ __forceinline__
#define SIMT_UNROLL _Pragma("unroll")
#define SIMT_UNROLL_TWICE _Pragma("unroll 2")  // where twice as much is in flight, and all of it would cost registers
#define SIMT_ROLLED _Pragma("unroll 1")        // where unrolling would cost registers and win nothing
// Whether the code being compiled may use the instructions of sm_90a; kernels made of them are empty elsewhere.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define SIMT_HAS_SM90A 1
#else
#define SIMT_HAS_SM90A 0
#endif
// The 4-bit matrix instructions end with sm_89; later ones get a routine of many instructions from the compiler.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define SIMT_HAS_S4_MMA 0
#else
#define SIMT_HAS_S4_MMA 1
#endif
// A kernel entry: at most `threads` threads a block; parameters are passed as `SIMT_PARAMETERS Type name`.
#define SIMT_KERNEL(threads) __global__ void __launch_bounds__(threads)
// One whose registers leave room for at least `blocks` blocks on a multiprocessor; 0 leaves that to the compiler.
#define SIMT_KERNEL_BESIDE(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
// One that has a multiprocessor, and all of its registers, to itself, as setmaxnreg needs.
#define SIMT_KERNEL_ALONE(threads) __global__ void __launch_bounds__(threads, 1)
#define SIMT_PARAMETERS const __grid_constant__

#include <simt/device/arithmetic.cuh>
#include <simt/device/memory.cuh>
#include <simt/device/sync.cuh>
#include <simt/device/sm80.cuh>
#include <simt/device/sm90.cuh>
#include <simt/device/wgmma.cuh>
