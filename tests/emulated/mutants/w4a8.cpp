// Tiles of the kernels of packed 4-bit weights in groups of 32, with steps and zero points, and with float scales too. A weight
// is (u - zero) * step * scale, small whole numbers all, so that sums are exact in fp32 as well.
#include <gemm/mma_gemm.cuh>
#include <parts/w4a8_operands.cuh>

#include "harness.hpp"

using namespace immabench;
using simt::host::Operation;

namespace {

constexpr int kM = 70, kN = 92, kK = 416, kGroup = 32, kPadded = 96;

int zero(int row, int group) { return (3 * row + 5 * group) % 16; }
int step(int row, int group) { return 1 + (row + group) % 2; }
int scale(int row, int group, bool floats) { return floats ? 1 << (row + group) % 3 : 1; }

template <class Sum>
void run(const char* label) {
  using Operands = W4A8Operands<simt::U4, Sum>;
  using Config = MmaConfig<64, 64, 128, 2, 2, 3>;
  constexpr bool kFloats = Operands::kFloat;
  std::vector<int> codes(kPadded * kK);
  const auto weight = [&](int row, int k, std::uint32_t random) {
    const int group = k / kGroup, code = int(random % 16);
    codes[std::size_t(row * kK + k)] = code;
    return std::int8_t((code - zero(row, group)) * step(row, group) * scale(row, group, kFloats));
  };
  mutants::run(
      {label,
       kM,
       kN,
       kK,
       {Operation::kLdmatrix, Operation::kSharedStore, Operation::kSharedLoad, Operation::kAsyncCopyShared},
       weight,
       kFloats},
      [&](GemmArguments arguments, auto& memory, const auto& options) {
        constexpr int kBlocks = (kK + 63) / 64, kGroups = kK / kGroup;
        const auto blocks = mutants::allocate<std::uint8_t>(kPadded / 16 * kBlocks * 512);
        const auto affine = mutants::allocate<std::uint16_t>(kGroups * kPadded);
        const auto scales = mutants::allocate<float>(kGroups * kPadded);
        std::memset(blocks.get(), 0, kPadded / 16 * kBlocks * 512);
        for (int row = 0; row < kPadded; ++row) {
          for (int k = 0; k < kK; ++k) {
            const int word = k % 64 / 16, q = k % 16 / 4, lane = row % 8 * 4 + q;
            const int byte = (row / 16 * kBlocks + k / 64) * 512 + lane * 16 + word * 4 + k % 4;
            blocks[std::size_t(byte)] |= std::uint8_t(codes[std::size_t(row * kK + k)] << row % 16 / 8 * 4);
          }
          for (int group = 0; group < kGroups; ++group) {
            const int place = group * kPadded + row / 16 * 16 + row % 8 * 2 + row % 16 / 8;
            affine[std::size_t(place)] = std::uint16_t(step(row, group) | (128 - zero(row, group) * step(row, group)) << 8);
            scales[std::size_t(group * kPadded + row)] = float(scale(row, group, kFloats));
          }
        }
        arguments.b = reinterpret_cast<std::uint64_t>(blocks.get());
        arguments.group_affine = reinterpret_cast<std::uint64_t>(affine.get());
        arguments.group_scale = reinterpret_cast<std::uint64_t>(scales.get());
        arguments.group = kGroup;
        memory.add(blocks.get(), kPadded / 16 * kBlocks * 512, simt::host::Access::kRead);
        memory.add(affine.get(), kGroups * kPadded * 2, simt::host::Access::kRead);
        memory.add(scales.get(), kGroups * kPadded * 4, simt::host::Access::kRead);
        const simt::host::LaunchShape shape{{unsigned(block_count(Config::tile, Operands::widths, arguments))},
                                            Config::tile.threads(),
                                            Config::tile.shared_bytes(Operands::widths)};
        const auto parameters = make_parameters<Operands, Config>(arguments);
        return simt::host::launch(shape, memory, options, [&] { mma_gemm_kernel<Operands, Config, true>(parameters); });
      });
}

}  // namespace

int main() {
  run<simt::i32>("steps");
  run<float>("scales");
}
