#include <cpu/parallel.hpp>
#include <cpu/patches.hpp>

namespace immabench::cpu {

void compute(const PatchArguments& a, int threads) {
  const int zero = a.zero ? *at<i32>(a.zero) : 0;
  // A byte of a patch is moved many times as fast as an element goes through arithmetic.
  constexpr i64 kBytesAnElement = 8;
  run(Patches{a, zero}, a.geometry.m(), a.row_bytes / kBytesAnElement, threads);
}

}  // namespace immabench::cpu
