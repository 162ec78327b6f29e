// CuTe's layouts, evaluated on the host, against our own fragment maps and swizzle. An independent second opinion: CuTe's
// tables were written for the hardware, ours for the emulated machine. Prints one line a map: name, disagreements, the first of
// them.
#define CUTE_SM90_EXTENDED_MMA_SHAPES_ENABLED  // every N of wgmma
#include <cute/atom/copy_traits_sm75.hpp>
#include <cute/atom/mma_traits_sm80.hpp>
#include <cute/atom/mma_traits_sm90_gmma.hpp>
#include <cute/atom/mma_traits_sm90_gmma_ext.hpp>
#include <cute/swizzle.hpp>
#include <cute/tensor.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <parts/swizzle.cuh>
#include <simt/fragments.hpp>
#include <simt/matrix_descriptor.hpp>

namespace {

namespace fragments = simt::fragments;
bool agreed = true;

class Check {
 public:
  explicit Check(std::string name) : name_(std::move(name)) {}
  ~Check() {
    std::printf("%s\t%d\t%s\n", name_.c_str(), disagreements_, first_);
    agreed &= disagreements_ == 0;
  }
  void expect(int lane, int element, int ours, int cute) {
    if (ours == cute) return;
    if (disagreements_++ == 0) std::snprintf(first_, sizeof first_, "(%d, %d): ours %d, CuTe %d", lane, element, ours, cute);
  }

 private:
  std::string name_;
  int disagreements_ = 0;
  char first_[96] = "";
};

// CuTe's map of an operand gives row + rows * column for (lane, element). Ours must also hold every element exactly once.
template <class Map>
void check_operand(std::string name, auto layout, int elements, int rows, Map map, int lanes = 32) {
  Check check(std::move(name));
  std::vector<int> holders(lanes * elements);
  for (int lane = 0; lane < lanes; ++lane) {
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

// ---- wgmma: 128 threads, D and an A in registers
template <class Mma>
void check_wgmma_accumulators(int n) {
  check_operand(
      "wgmma n" + std::to_string(n) + " D", typename cute::MMA_Traits<Mma>::CLayout{}, n / 2, 64,
      [](int t, int i) { return fragments::wgmma_accumulator(t, i); }, 128);
}

template <class Mma>
void check_wgmma_a(const char* name) {
  const auto ours = [](int thread, int e) {
    const fragments::Coordinate at = fragments::a_element(thread % 32, e, 4);
    return fragments::Coordinate{thread / 32 * 16 + at.row, at.column};
  };
  check_operand(name, typename cute::MMA_Traits<Mma>::ALayout{}, 16, 64, ours, 128);
}

// ---- operands of wgmma in shared memory
template <class Swizzle>
void check_tensor_swizzle(const char* name, simt::TensorSwizzle swizzle) {
  Check check(name);
  for (int address = 0; address < 8192; ++address) {
    check.expect(address, 0, int(simt::swizzled(swizzle, std::uint32_t(address))), int(Swizzle::apply(address)));
  }
}

// A tile of kRows x kBytes of int8 as CuTe's atoms lay it out, at real addresses of this process: swizzles act on those.
constexpr int kRows = 128, kBytes = 128, kDepth = 32;
alignas(1024) std::int8_t tile_bytes[kRows * kBytes];

template <class Atom>
auto cute_tile() {
  const auto layout = cute::tile_to_shape(Atom{}, cute::Shape<cute::Int<kRows>, cute::Int<kBytes>>{});
  return cute::make_tensor(cute::make_smem_ptr(tile_bytes), layout);
}

// The address as a shared one: a multiple of 1024, as the tile's own is.
constexpr std::uint32_t kTileAddress = 4096;

// CuTe's descriptor of each 32-deep step, and where it puts each chunk of 16 bytes, against ours; an address of shared memory
// does not exist on the host, so that field of CuTe's is set from the place of the step's first byte.
template <class Atom>
void check_matrix_operand(const std::string& name, simt::MatrixLayout layout) {
  Check descriptors("descriptor " + name), addresses("addresses " + name);
  const auto tile = cute_tile<Atom>();
  for (int step = 0; step < kBytes / kDepth; ++step) {
    const auto part = cute::local_tile(tile, cute::Shape<cute::Int<kRows>, cute::Int<kDepth>>{}, cute::make_coord(0, step));
    cute::GmmaDescriptor cute = cute::SM90::GMMA::make_gmma_desc<cute::SM90::GMMA::Major::K>(part);
    // Atoms are tiled down the rows first: the next atom along K lies behind all rows.
    const int width = std::max(16, simt::swizzle_span(layout.swizzle)), at_byte = step * kDepth;
    const std::uint32_t address = kTileAddress + std::uint32_t(at_byte / width * kRows * width + at_byte % width);
    const std::uint32_t first = kTileAddress + std::uint32_t(&tile(0, step * kDepth) - tile_bytes);
    descriptors.expect(step, 0, int(address), int(first));
    cute.bitfield.start_address_ = std::uint16_t(first >> 4);
    const std::uint64_t ours = simt::matrix_descriptor(address, layout);
    for (int half = 0; half < 2; ++half)
      descriptors.expect(step, 1 + half, int(ours >> 32 * half), int(cute.desc_ >> 32 * half));
    const simt::MatrixOperand decoded = simt::decode_descriptor(cute.desc_);
    for (int row = 0; row < kRows; ++row) {
      for (int chunk = 0; chunk < kDepth / 16; ++chunk) {
        const auto* at = &tile(row, step * kDepth + chunk * 16);
        addresses.expect(row, 8 * step + chunk, int(decoded.chunk_address(row, chunk)), int(kTileAddress + (at - tile_bytes)));
      }
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

#define WGMMA_ACCUMULATORS(N) check_wgmma_accumulators<cute::SM90_64x##N##x32_S32S8S8_SS_TN>(N);
  WGMMA_ACCUMULATORS(8)
  WGMMA_ACCUMULATORS(16)
  WGMMA_ACCUMULATORS(24)
  WGMMA_ACCUMULATORS(32)
  WGMMA_ACCUMULATORS(48)
  WGMMA_ACCUMULATORS(64)
  WGMMA_ACCUMULATORS(96)
  WGMMA_ACCUMULATORS(128)
  WGMMA_ACCUMULATORS(192)
  WGMMA_ACCUMULATORS(240)
  WGMMA_ACCUMULATORS(256)
  check_wgmma_a<cute::SM90_64x32x32_S32S8S8_RS_TN>("wgmma A");

  using simt::TensorSwizzle;
  check_tensor_swizzle<cute::Swizzle<0, 4, 3>>("tensor swizzle 0", TensorSwizzle::kNone);
  check_tensor_swizzle<cute::Swizzle<1, 4, 3>>("tensor swizzle 32", TensorSwizzle::k32Bytes);
  check_tensor_swizzle<cute::Swizzle<2, 4, 3>>("tensor swizzle 64", TensorSwizzle::k64Bytes);
  check_tensor_swizzle<cute::Swizzle<3, 4, 3>>("tensor swizzle 128", TensorSwizzle::k128Bytes);
  namespace gmma = cute::SM90::GMMA;
  using i8 = std::int8_t;
  check_matrix_operand<gmma::Layout_K_INTER_Atom<i8>>("interleaved", {TensorSwizzle::kNone, 128, kRows * 16});
  check_matrix_operand<gmma::Layout_K_SW32_Atom<i8>>("32 bytes", simt::swizzled_layout(TensorSwizzle::k32Bytes));
  check_matrix_operand<gmma::Layout_K_SW64_Atom<i8>>("64 bytes", simt::swizzled_layout(TensorSwizzle::k64Bytes));
  check_matrix_operand<gmma::Layout_K_SW128_Atom<i8>>("128 bytes", simt::swizzled_layout(TensorSwizzle::k128Bytes));
  return agreed ? 0 : 1;
}
