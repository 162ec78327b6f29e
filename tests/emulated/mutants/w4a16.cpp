// Tiles of the kernels whose weights become 16-bit floats: f16 with 4-bit codes in groups of 32, bf16 with int8. Activations
// and weights are small whole numbers, so that sums are exact in fp32.
#include <gemm/mma_gemm.cuh>
#include <parts/dequantized_operands.cuh>

#include "harness.hpp"

using namespace immabench;
using simt::host::Access;
using simt::host::Operation;

namespace {

constexpr int kM = 70, kN = 92, kK = 416, kGroup = 32, kPadded = 96, kGroups = kK / kGroup;

int zero(int row, int group) { return (3 * row + 5 * group) % 16; }
int scale(int row, int group) { return 1 << (row + group) % 3; }

template <class T>
simt::u16 bits(int value) {
  const float number = simt::to_float_rn(value);
  return simt::u16(std::is_same_v<T, simt::F16> ? simt::pack_f16x2(number, 0) : simt::pack_bf16x2(number, 0));
}

// Puts the codes [kPadded, kK] into fragment-major blocks.
template <int kBits>
void reorder(const std::vector<int>& codes, std::uint32_t* words) {
  constexpr int kBlockK = 256 / kBits, kBlocks = (kK + kBlockK - 1) / kBlockK;
  std::fill(words, words + kPadded / 16 * kBlocks * 128, 0u);
  for (int row = 0; row < kPadded; ++row) {
    for (int k = 0; k < kK; ++k) {
      // Of a step of 16: elements 2 q and 2 q + 1 of the first 8 or the last, 16 bits apart.
      const int q = k % 8 / 2, second = k % 2, lower = row % 16 / 8, half = k % 16 / 8;
      const int word = kBits == 4 ? k % kBlockK / 16 : k % kBlockK / 8;
      const int field = kBits == 4 ? 2 * half + lower : lower;
      const int at = ((row / 16 * kBlocks + k / kBlockK) * 32 + row % 8 * 4 + q) * 4 + word;
      const std::uint32_t code = static_cast<std::uint32_t>(codes[std::size_t(row * kK + k)]) & ((1u << kBits) - 1);
      words[at] |= code << (kBits * field + 16 * second);
    }
  }
}

template <class T, class B, class Config>
void run(const char* label) {
  using Operands = DequantizedOperands<T, B>;
  std::vector<int> codes(kPadded * kK);
  const auto weight = [&](int row, int k, std::uint32_t random) {
    int& code = codes[std::size_t(row * kK + k)];
    code = Operands::kGrouped ? int(random % 16) : int(random % 256) - 128;
    return std::int8_t(Operands::kGrouped ? (code - zero(row, k / kGroup)) * scale(row, k / kGroup) : code);
  };
  mutants::run({label,
                kM,
                kN,
                kK,
                {Operation::kLdmatrix, Operation::kSharedStore, Operation::kSharedLoad, Operation::kAsyncCopyShared},
                weight,
                true},
               [&](GemmArguments arguments, auto& memory, const auto& options) {
                 constexpr int kWords = kPadded / 16 * ((kK + Operands::kFragmentK - 1) / Operands::kFragmentK) * 128;
                 const auto a = mutants::allocate<std::uint16_t>(kM * kK);
                 const auto words = mutants::allocate<std::uint32_t>(kWords);
                 const auto affine = mutants::allocate<std::uint32_t>(kGroups * kPadded);
                 const auto* integers = reinterpret_cast<const std::int8_t*>(arguments.a);
                 for (int i = 0; i < kM * kK; ++i) a[std::size_t(i)] = bits<T>(integers[i]);
                 reorder<B::kBits>(codes, words.get());
                 for (int row = 0; row < kPadded; ++row) {
                   for (int group = 0; group < kGroups; ++group) {
                     const int place = group * kPadded + row / 16 * 16 + row % 8 * 2 + row % 16 / 8;
                     affine[std::size_t(place)] = bits<T>(scale(row, group)) | (0x6400u + simt::u32(zero(row, group))) << 16;
                   }
                 }
                 arguments.a = reinterpret_cast<std::uint64_t>(a.get());
                 arguments.b = reinterpret_cast<std::uint64_t>(words.get());
                 arguments.group_affine = reinterpret_cast<std::uint64_t>(affine.get());
                 arguments.group = kGroup;
                 memory.add(a.get(), kM * kK * 2, Access::kRead);
                 memory.add(words.get(), kWords * 4, Access::kRead);
                 memory.add(affine.get(), kGroups * kPadded * 4, Access::kRead);
                 const simt::host::LaunchShape shape{{unsigned(block_count(Config::tile, Operands::widths, arguments))},
                                                     Config::tile.threads(),
                                                     Config::tile.shared_bytes(Operands::widths)};
                 const auto parameters = make_parameters<Operands, Config>(arguments);
                 return simt::host::launch(shape, memory, options,
                                           [&] { mma_gemm_kernel<Operands, Config, true>(parameters); });
               });
}

}  // namespace

int main() {
  run<simt::F16, simt::U4, MmaConfig<64, 64, 128, 2, 2, 3>>("groups");
  run<simt::BF16, simt::S8, MmaConfig<64, 64, 64, 2, 2, 3>>("channels");
}
