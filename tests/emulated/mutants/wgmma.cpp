// The wgmma kernel by each of its policies: persistent in a cluster that shares operands, split along K and swapped, byte by
// byte where addresses are odd, and pixels of images. More tiles than blocks, and more K tiles than stages.
#include <gemm/wgmma_s8_launch_emulated.hpp>

#include "harness.hpp"

using namespace immabench;
using simt::host::Operation;

template <class Operands, class Config>
void run(const mutants::Problem& problem) {
  mutants::run(problem, &emulate_wgmma<Operands, Config>);
}

int main() {
  const std::vector<Operation> counted{Operation::kWgmma, Operation::kBulkLoad};
  run<MatrixBoxes, WgmmaConfig<128, 64, 128, 2, 2, 1, 1, 3, false>>({"cluster", 300, 200, 736, counted});
  run<MatrixBoxes, WgmmaConfig<16, 128, 128, 2, 1, 1, 2, 3, true>>({"split", 20, 100, 1312, counted});
  run<MatrixBoxes, WgmmaConfig<64, 64, 128, 1, 1, 1, 1, 2, false>>({"ragged", 70, 66, 401, {Operation::kWgmma}});

  // Different in each direction, and one image's rows end within a tile.
  const ConvolutionArguments shape{.images = 3,
                                   .height = 11,
                                   .width = 9,
                                   .channels = 144,
                                   .filter_height = 3,
                                   .filter_width = 2,
                                   .stride_height = 2,
                                   .stride_width = 1,
                                   .padding_height = 1,
                                   .padding_width = 2,
                                   .dilation_height = 1,
                                   .dilation_width = 3};
  run<ImageBoxes<64>, WgmmaConfig<64, 64, 64, 1, 2, 1, 1, 3, false>>(
      {.label = "conv", .m = int(shape.m()), .n = 80, .k = int(shape.k()), .count = {Operation::kWgmma}, .convolution = shape});
}
