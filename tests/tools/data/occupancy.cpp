// NVIDIA's occupancy calculator as a program: reads lines of
//   architecture registers threads shared-bytes | shared-bytes-a-multiprocessor shared-bytes-a-block threads-a-multiprocessor
// and prints the resident blocks of each, or a negative error.
#include <cstddef>
#include <cuda_occupancy.h>
#include <cstdio>
int main() {
  int arch, registers, threads, shared, shared_sm, shared_block, threads_sm;
  while (std::scanf("%d %d %d %d %d %d %d", &arch, &registers, &threads, &shared, &shared_sm, &shared_block, &threads_sm) ==
         7) {
    cudaOccDeviceProp device;
    device.computeMajor = arch / 10, device.computeMinor = arch % 10;
    device.maxThreadsPerBlock = 1024, device.maxThreadsPerMultiprocessor = threads_sm;
    device.regsPerBlock = 65536, device.regsPerMultiprocessor = 65536, device.warpSize = 32;
    device.sharedMemPerBlock = 49152, device.sharedMemPerMultiprocessor = shared_sm;
    device.sharedMemPerBlockOptin = shared_block, device.numSms = 1;
    device.reservedSharedMemPerBlock = arch >= 80 ? 1024 : 0;
    cudaOccFuncAttributes kernel;
    kernel.maxThreadsPerBlock = 1024, kernel.numRegs = registers, kernel.sharedSizeBytes = 0;
    kernel.partitionedGCConfig = PARTITIONED_GC_OFF, kernel.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
    kernel.maxDynamicSharedSizeBytes = shared, kernel.numBlockBarriers = 1;
    cudaOccDeviceState state;
    state.carveoutConfig = SHAREDMEM_CARVEOUT_MAX_SHARED;
    cudaOccResult result{};
    const cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &kernel, &state, threads, shared);
    std::printf("%d\n", error == CUDA_OCC_SUCCESS ? result.activeBlocksPerMultiprocessor : -int(error));
  }
}
