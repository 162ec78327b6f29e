// The kernels around GEMMs as the rest of the library sees them: which there are, how to run them. Each family has a struct of
// arguments in its folder. Torch-free: addresses and integers in, a status or a report out.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace simt::host {
class GlobalMemory;
struct Options;
struct Report;
}  // namespace simt::host

namespace immabench {

template <class Arguments>
using EmulateCompanion = simt::host::Report (*)(const Arguments&, simt::host::GlobalMemory&, const simt::host::Options&);
template <class Arguments>
using LaunchCompanion = int (*)(const Arguments&, std::uint64_t stream);  // returns a cudaError_t

// The types each matrix of a kernel may have, separated by |, by the name of the matrix; that of the output is the last.
using OperandTypes = std::vector<std::pair<std::string, std::string>>;

// A launch configuration of any of the kernels.
struct CompanionConfig {
  std::string id, family;
  OperandTypes operand_types;
  int threads = 0, shared_bytes = 0;  // of a block
  int row_threads = 0;                // that share a row; 0 where elements are quantized one by one
  int resident_columns = 0;           // of the longest row that is read once; 0 as above
  bool streams = false;               // longer rows are legal, and read again
  int window_threads = 0;             // that share a window of an image; 0 where there are none
  std::array<int, 3> block_tile{};    // of attention: queries, keys of a pass, depth of a head; zeros elsewhere
};

template <class Arguments>
struct Companion {
  CompanionConfig config;
  EmulateCompanion<Arguments> emulate;
  LaunchCompanion<Arguments> launch;  // null in a build without CUDA
};

// Every compiled configuration of a family.
template <class Arguments>
std::span<const Companion<Arguments>> companions();

}  // namespace immabench
