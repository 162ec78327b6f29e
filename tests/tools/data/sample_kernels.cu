// Source of the recorded disassembly beside it, which tests the reading of SASS without a CUDA compiler. Recorded with
//   nvcc -std=c++20 -O3 -arch=sm_80 -cubin sample_kernels.cu -o sample_kernels.sm_80.cubin
//   nvdisasm -json sample_kernels.sm_80.cubin > sample_kernels.sm_80.json
//   cuobjdump -res-usage sample_kernels.sm_80.cubin > sample_kernels.sm_80.resources.txt
struct S8 {};
template <class T>
struct RowMajorOperands {};
template <int kBlockM, int kBlockN, int kBlockK, int kWarpsM, int kWarpsN, int kStages, int kSplitK>
struct MmaConfig {};

__device__ void multiply(int (&d)[4], int a, int b) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%4,%4,%4}, {%5,%5}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a), "r"(b));
}

// Aligned: an outer loop with an inner one of two multiplies, then one multiply more. Ragged: a table in local memory, and a
// loop of one multiply.
template <class Operands, class Config, bool kAligned>
__global__ void mma_gemm_kernel(const int* a, int* out, int n) {
  int d[4] = {};
  if constexpr (kAligned) {
#pragma unroll 1
    for (int i = 0; i < n; ++i) {
      out[i] = i;
#pragma unroll 1
      for (int j = 0; j < i; ++j) {
        multiply(d, a[j], j);
        multiply(d, a[j], i);
      }
    }
    multiply(d, n, n);
  } else {
    int table[32];
#pragma unroll 1
    for (int i = 0; i < 32; ++i) table[i] = a[i];
#pragma unroll 1
    for (int i = 0; i < n; ++i) {
      if (a[i] > int(threadIdx.x)) out[i] = table[a[i] & 31];
      multiply(d, i, n);
    }
  }
  out[threadIdx.x] = d[0] + d[1] + d[2] + d[3];
}

template __global__ void mma_gemm_kernel<RowMajorOperands<S8>, MmaConfig<128, 64, 64, 2, 2, 3, 1>, true>(const int*, int*, int);
template __global__ void mma_gemm_kernel<RowMajorOperands<S8>, MmaConfig<16, 128, 64, 1, 4, 2, 1>, false>(const int*, int*,
                                                                                                          int);
__global__ void helper(int* out) { out[threadIdx.x] = 1; }
