// The wgmma kernel with packed weights: s4 with K split, and u4 with zero points of groups of 32. More stages than the ring
// has.
#include <gemm/wgmma_packed.cuh>
#include <parts/packed_weights.cuh>

#include "harness.hpp"

using namespace immabench;
using simt::host::Operation;

namespace {

int zero_of(int group, int column) { return 4 + (group * 5 + column * 3) % 9; }

// Of steps 1 and zero points of groups of 32: [K / 32, N padded to 16], of 16 columns in the order 0, 8, 1, 9, ..
std::vector<std::uint16_t> affine_words(int n, int k) {
  std::vector<std::uint16_t> words;
  for (int group = 0; group < k / 32; ++group) {
    for (int place = 0; place < ceil_divide(n, 16) * 16; ++place) {
      const int column = place / 16 * 16 + place % 16 / 2 + place % 2 * 8;
      words.push_back(std::uint16_t(1 + 256 * (128 - zero_of(group, column))));
    }
  }
  return words;
}

// Fragment-major codes of 4 bits (docs/numerics.md): b [n, k], less than 4 bits wide where zero points are added.
std::vector<std::uint8_t> pack(const GemmArguments& g, bool zeros) {
  const auto* b = reinterpret_cast<const std::int8_t*>(g.b);
  const int row_blocks = ceil_divide(g.n, 16), k_blocks = ceil_divide(g.k, 64);
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(row_blocks * k_blocks * kFragmentBytes));
  for (int n = 0; n < g.n; ++n) {
    for (int k = 0; k < g.k; ++k) {
      const int code = b[n * g.k + k] + (zeros ? zero_of(k / 32, n) : 0);
      const int block = n / 16 * k_blocks + k / 64, lane = n % 8 * 4 + k % 16 / 4, byte = k % 64 / 16 * 4 + k % 4;
      packed[static_cast<std::size_t>(block * kFragmentBytes + lane * 16 + byte)] |= (code & 15) << n % 16 / 8 * 4;
    }
  }
  return packed;
}

template <class T>
std::uint64_t add(simt::host::GlobalMemory& memory, const std::unique_ptr<T[], void (*)(void*)>& owner,
                  const std::vector<T>& of) {
  std::copy(of.begin(), of.end(), owner.get());
  memory.add(owner.get(), of.size() * sizeof(T), simt::host::Access::kRead);
  return reinterpret_cast<std::uint64_t>(owner.get());
}

template <class Config>
void run(const mutants::Problem& problem, bool zeros) {
  mutants::run(problem, [=](const GemmArguments& given, auto& memory, const auto& options) {
    GemmArguments arguments = given;
    const std::vector<std::uint8_t> codes = pack(given, zeros);
    const std::vector<std::uint16_t> affine = affine_words(given.n, given.k);
    const auto code_memory = mutants::allocate<std::uint8_t>(codes.size());
    const auto affine_memory = mutants::allocate<std::uint16_t>(affine.size());
    arguments.b = add(memory, code_memory, codes);
    if (zeros) arguments.group = 32, arguments.group_affine = add(memory, affine_memory, affine);
    constexpr WgmmaPackedTile kTile = Config::tile;
    const simt::host::LaunchShape shape{
        {block_count(kTile, arguments)}, kTile.threads(), kTile.shared_bytes(), kTile.cluster()};
    const auto parameters = make_packed_parameters<Config>(arguments);
    return simt::host::launch(shape, memory, options, [&] { wgmma_packed_kernel<Config>(parameters); });
  });
}

}  // namespace

int main() {
  const std::vector<Operation> counted{Operation::kWgmma, Operation::kBulkLoad, Operation::kSharedLoad};
  run<WgmmaPackedConfig<int(PackedFormat::kW4A8Channel), 16, 2, 3, false>>(
      {.label = "channel", .m = 20, .n = 144, .k = 2080, .count = counted, .b_bits = 4}, false);
  run<WgmmaPackedConfig<int(PackedFormat::kW4A8Step), 8, 1, 3, false>>(
      {.label = "groups", .m = 11, .n = 136, .k = 1056, .count = counted, .b_bits = 3}, true);

  // Nine taps of 64 channels are four stages and a half, and weights past the last tap stand for -128: the activations are
  // zeros.
  const ConvolutionArguments shape{.images = 2,
                                   .height = 5,
                                   .width = 4,
                                   .channels = 64,
                                   .filter_height = 3,
                                   .filter_width = 3,
                                   .stride_height = 2,
                                   .stride_width = 1,
                                   .padding_height = 1,
                                   .padding_width = 1,
                                   .dilation_height = 1,
                                   .dilation_width = 1};
  run<WgmmaPackedConfig<int(PackedFormat::kW4A8Step), 8, 1, 3, true>>({.label = "images",
                                                                       .m = int(shape.m()),
                                                                       .n = 136,
                                                                       .k = int(shape.k()),
                                                                       .count = counted,
                                                                       .b_bits = 3,
                                                                       .convolution = shape},
                                                                      true);
}
