// The rates of matrix instructions and of memory on a GPU.
#include <cuda_runtime_api.h>

#include <ceiling/bandwidth.cuh>
#include <ceiling/mma_rate.cuh>
#include <ceiling/wgmma_rate.cuh>

namespace immabench {
namespace {

using Kernel = void (*)(RateParameters);

// More than half of an SM's shared memory, so that no SM takes two blocks.
cudaError_t whole_sm_bytes(int& bytes) {
  int device = 0, of_sm = 0;
  if (const cudaError_t status = cudaGetDevice(&device)) return status;
  const cudaError_t status = cudaDeviceGetAttribute(&of_sm, cudaDevAttrMaxSharedMemoryPerMultiprocessor, device);
  bytes = of_sm / 2 + 1024;
  return status;
}

int launch_rate(Kernel kernel, const RateArguments& arguments, int blocks, std::uint64_t stream) {
  int shared_bytes = 0;
  if (const cudaError_t status = whole_sm_bytes(shared_bytes)) return status;
  if (const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes))
    return status;
  const RateParameters parameters{{arguments.operands}, {arguments.out}, {arguments.clocks}, arguments.iterations};
  kernel<<<blocks, kRateThreads, shared_bytes, reinterpret_cast<cudaStream_t>(stream)>>>(parameters);
  return cudaGetLastError();
}

template <class Kind>
constexpr MmaRate mma_rate() {
  return {Kind::kName,
          Kind::kCapability,
          Kind::kOperandType,
          Kind::kAccumulator,
          Kind::kOperations,
          instructions_of_mma<Kind>(),
          [](const RateArguments& arguments, int blocks, std::uint64_t stream) {
            return launch_rate(&mma_rate_kernel<Kind>, arguments, blocks, stream);
          }};
}

template <class Kind>
constexpr MmaRate wgmma_rate() {
  return {Kind::kName,
          Kind::kCapability,
          Kind::kOperandType,
          Kind::kAccumulator,
          Kind::kOperations,
          instructions_of_wgmma<Kind>(),
          [](const RateArguments& arguments, int blocks, std::uint64_t stream) {
            return launch_rate(&wgmma_rate_kernel<Kind>, arguments, blocks, stream);
          }};
}

constexpr MmaRate kMmaRates[] = {
    mma_rate<mma_kinds::S8K32>(),
    mma_rate<mma_kinds::S8K16>(),
    mma_rate<mma_kinds::S4K64>(),
    mma_rate<mma_kinds::B1K256>(),
    mma_rate<mma_kinds::F16>(),
    mma_rate<mma_kinds::F16F16>(),
    mma_rate<mma_kinds::BF16>(),
    mma_rate<mma_kinds::TF32>(),
    mma_rate<mma_kinds::E4M3>(),
    wgmma_rate<wgmma_kinds::S8>(),
    wgmma_rate<wgmma_kinds::S8FromRegisters>(),
    wgmma_rate<wgmma_kinds::F16>(),
    wgmma_rate<wgmma_kinds::BF16>(),
    wgmma_rate<wgmma_kinds::TF32>(),
    wgmma_rate<wgmma_kinds::E4M3>(),
};

}  // namespace

std::span<const MmaRate> mma_rates() { return kMmaRates; }

int launch_bandwidth(Traffic traffic, const BandwidthArguments& arguments, int blocks, std::uint64_t stream) {
  const BandwidthParameters parameters = make_parameters(arguments);
  auto* const queue = reinterpret_cast<cudaStream_t>(stream);
  if (traffic == Traffic::kRead)
    read_kernel<<<blocks, kTileThreads, 0, queue>>>(parameters);
  else
    copy_kernel<<<blocks, kTileThreads, 0, queue>>>(parameters);
  return cudaGetLastError();
}

}  // namespace immabench
