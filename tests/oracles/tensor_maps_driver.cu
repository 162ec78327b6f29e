// Encodes a tensor map with whatever driver there is, and one that none would encode.
#include <cstdio>
#include <tensor_maps.hpp>

namespace {

void encode(const simt::TensorDescription& tensor) {
  try {
    immabench::encode(tensor);
    std::puts("encoded");
  } catch (const std::exception& error) {
    std::puts(error.what());
  }
}

}  // namespace

int main() {
  encode({.base = 256, .rank = 2, .extent = {64, 4}, .stride_bytes = {0, 64}, .box = {16, 2}});
  encode({.base = 8, .rank = 2, .extent = {64, 4}, .stride_bytes = {0, 64}, .box = {16, 2}});
}
