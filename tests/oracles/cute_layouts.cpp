// CuTe's layouts, evaluated on the host, against our own fragment maps and swizzle. An independent second opinion: CuTe's
// tables were written for the hardware, ours for the emulated machine. Prints one line a map: name, disagreements, the first of
// them.
#include <cute/atom/copy_traits_sm75.hpp>
#include <cute/atom/mma_traits_sm80.hpp>
#include <cute/swizzle.hpp>
#include <cute/tensor.hpp>

#include <cstdio>
#include <vector>

#include <parts/swizzle.cuh>
#include <simt/fragments.hpp>

namespace {

namespace fragments = simt::fragments;
bool agreed = true;

class Check {
 public:
  explicit Check(const char* name) : name_(name) {}
  ~Check() {
    std::printf("%s\t%d\t%s\n", name_, disagreements_, first_);
    agreed &= disagreements_ == 0;
  }
  void expect(int lane, int element, int ours, int cute) {
    if (ours == cute) return;
    if (disagreements_++ == 0) std::snprintf(first_, sizeof first_, "(%d, %d): ours %d, CuTe %d", lane, element, ours, cute);
  }

 private:
  const char* name_;
  int disagreements_ = 0;
  char first_[96] = "";
};

// CuTe's map of an operand gives row + rows * column for (lane, element). Ours must also hold every element exactly once.
template <class Map>
void check_operand(const char* name, auto layout, int elements, int rows, Map map) {
  Check check(name);
  std::vector<int> holders(32 * elements);
  for (int lane = 0; lane < 32; ++lane) {
    for (int e = 0; e < elements; ++e) {
      const fragments::Coordinate at = map(lane, e);
      const int index = at.row + rows * at.column;
      check.expect(lane, e, index, int(layout(lane, e)));
      check.expect(lane, e, ++holders.at(index), 1);
    }
  }
}

// kBits an element; A holds kRegisters 32-bit registers a lane, B half as many. `MmaOfB` says whose map of B to compare with.
template <class Mma, int kBits, int kRegisters, class MmaOfB = Mma>
void check_mma(const char* a, const char* b, const char* c) {
  using Traits = cute::MMA_Traits<Mma>;
  constexpr int kPer = 32 / kBits;
  check_operand(a, typename Traits::ALayout{}, kRegisters * kPer, 16,
                [](int l, int e) { return fragments::a_element(l, e, kPer); });
  check_operand(b, typename cute::MMA_Traits<MmaOfB>::BLayout{}, kRegisters / 2 * kPer, 8,
                [](int l, int e) { return fragments::b_element(l, e, kPer); });
  check_operand(c, typename Traits::CLayout{}, 4, 16, [](int l, int e) { return fragments::accumulator_element(l, e); });
}

// CuTe maps (lane, bit) to a bit of the 8x8 matrices of 16-bit elements, 128 bits a row, one matrix after the other.
template <class Copy, int kMatrices, bool kTransposed>
void check_ldmatrix(const char* name) {
  Check check(name);
  const auto layout = typename cute::Copy_Traits<Copy>::DstLayout{};
  for (int lane = 0; lane < 32; ++lane) {
    for (int bit = 0; bit < 32 * kMatrices; ++bit) {
      const fragments::Coordinate pair = fragments::ldmatrix_pair(lane);
      const int matrix = bit / 32, element = bit % 32 / 16;
      const int row = kTransposed ? pair.column + element : pair.row, column = kTransposed ? pair.row : pair.column + element;
      check.expect(lane, bit, 1024 * matrix + 128 * row + 16 * column + bit % 16, int(layout(lane, bit)));
    }
  }
}

template <int kRowBytes, class Swizzle>
void check_swizzle(const char* name) {
  using Rows = immabench::SwizzledRows<kRowBytes>;
  Check check(name);
  for (int row = 0; row < 64; ++row) {
    for (int chunk = 0; chunk < Rows::kChunks; ++chunk) {
      check.expect(row, chunk, int(Rows::offset(row, chunk)), int(Swizzle::apply(row * kRowBytes + chunk * 16)));
    }
  }
}

}  // namespace

int main() {
  check_mma<cute::SM80_16x8x16_F32F16F16F32_TN, 16, 4>("m16n8k16.f16 A", "m16n8k16.f16 B", "m16n8k16.f16 C");
  check_mma<cute::SM80_16x8x16_S32S8S8S32_TN, 8, 2>("m16n8k16.s8 A", "m16n8k16.s8 B", "m16n8k16.s8 C");
  check_mma<cute::SM80_16x8x32_S32S8S8S32_TN, 8, 4>("m16n8k32.s8 A", "m16n8k32.s8 B", "m16n8k32.s8 C");
  // CuTe 4.2 states B of m16n8k32.s4 with a stride of 32 where lanes are 8 columns of K (64) apart: K 20 to 31 would have no
  // holder. The instruction's B is that of m8n8k32, which CuTe has right.
  check_mma<cute::SM80_16x8x32_S32S4S4S32_TN, 4, 2, cute::SM80_8x8x32_S32S4S4S32_TN>("m16n8k32.s4 A", "m16n8k32.s4 B",
                                                                                     "m16n8k32.s4 C");
  check_mma<cute::SM80_16x8x64_S32S4S4S32_TN, 4, 4>("m16n8k64.s4 A", "m16n8k64.s4 B", "m16n8k64.s4 C");
  check_mma<cute::SM80_16x8x256_S32U1U1S32_TN_XORPOPC, 1, 4>("m16n8k256.b1 A", "m16n8k256.b1 B", "m16n8k256.b1 C");
  check_ldmatrix<cute::SM75_U32x1_LDSM_N, 1, false>("ldmatrix.x1");
  check_ldmatrix<cute::SM75_U32x2_LDSM_N, 2, false>("ldmatrix.x2");
  check_ldmatrix<cute::SM75_U32x4_LDSM_N, 4, false>("ldmatrix.x4");
  check_ldmatrix<cute::SM75_U16x2_LDSM_T, 1, true>("ldmatrix.x1.trans");
  check_ldmatrix<cute::SM75_U16x4_LDSM_T, 2, true>("ldmatrix.x2.trans");
  check_ldmatrix<cute::SM75_U16x8_LDSM_T, 4, true>("ldmatrix.x4.trans");
  check_swizzle<32, cute::Swizzle<1, 4, 3>>("swizzle 32-byte rows");
  check_swizzle<64, cute::Swizzle<2, 4, 3>>("swizzle 64-byte rows");
  check_swizzle<128, cute::Swizzle<3, 4, 3>>("swizzle 128-byte rows");
  check_swizzle<256, cute::Swizzle<3, 4, 4>>("swizzle 256-byte rows");
  return agreed ? 0 : 1;
}
