// CUTLASS' kernels as the rest of the library sees them: they are launched as our own are, and are never emulated.
#pragma once
#include <span>
#include <string>

#include <gemm/gemm.hpp>

namespace immabench {

// Version of CUTLASS that is compiled in, "4.2.0"; empty in a build without it.
std::string cutlass_version();

// Every tile configuration, family by family, in the order of their tables; launches are null in a build without CUTLASS.
std::span<const GemmKernel> cutlass_kernels();

// As `illegal_reason`, of one of these kernels.
std::string cutlass_illegal_reason(const GemmKernel& kernel, const GemmArguments& call);

}  // namespace immabench
