#include <simt/host/mma.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

#include <simt/fragments.hpp>
#include <simt/host/integer_product.hpp>

namespace simt::host {
namespace {

constexpr int kM = 16, kN = 8, kLanes = 32, kWordBytes = 4;
using WideA = MmaScratch::WideA;
using WideB = MmaScratch::WideB;
using Sums = MmaScratch::Sums;

const MmaLane& lane_of(void* const* lanes, int lane) { return *static_cast<const MmaLane*>(lanes[lane]); }

// Four elements of a register, from element `first` on, as four 16-bit integers in one word, lowest first. Works on all four at
// once: spread the elements to 16 bits each, then fill the upper bits of the negative ones.
template <int kBits>
std::uint64_t widen_four(std::uint32_t value, int first, bool is_signed) {
  std::uint64_t v = kBits == 8 ? value : value >> 4 * first & 0xFFFF;
  if constexpr (kBits == 8) {
    v = (v | v << 16) & 0x0000FFFF0000FFFFull;
    v = (v | v << 8) & 0x00FF00FF00FF00FFull;
  } else {
    v = (v | v << 24) & 0x000000FF000000FFull;
    v = (v | v << 12) & 0x000F000F000F000Full;
  }
  constexpr std::uint64_t kSignBits = kBits == 8 ? 0x0080008000800080ull : 0x0008000800080008ull;
  constexpr std::uint64_t kFill = kBits == 8 ? 0x1FE : 0x1FFE;  // sign bit times this = all bits from the sign bit's left up
  return is_signed ? v | (v & kSignBits) * kFill : v;
}

template <int kBits>
void widen_a(void* const* lanes, const MmaTile& tile, int row, WideA& out) {
  constexpr int kElements = 32 / kBits;
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t* registers = lane_of(lanes, lane).a + row * tile.a_registers;
    for (int r = 0; r < tile.a_registers; ++r) {
      const auto at = fragments::a_element(lane, r * kElements, kElements);
      for (int e = 0; e < kElements; e += 4) {
        const std::uint64_t four = widen_four<kBits>(registers[r], e, tile.a_type.is_signed);
        std::memcpy(&out[at.row][at.column + e], &four, sizeof four);
      }
    }
  }
}

template <int kBits>
void widen_b(void* const* lanes, const MmaTile& tile, int column, WideB& out) {
  constexpr int kElements = 32 / kBits;
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t* registers = lane_of(lanes, lane).b + column * (tile.a_registers / 2);
    for (int r = 0; r < tile.a_registers / 2; ++r) {
      const auto at = fragments::b_element(lane, r * kElements, kElements);
      for (int e = 0; e < kElements; e += 4) {
        const std::uint64_t four = widen_four<kBits>(registers[r], e, tile.b_type.is_signed);
        const auto low = static_cast<std::uint32_t>(four), high = static_cast<std::uint32_t>(four >> 32);
        std::memcpy(out[(at.column + e) / 2][at.row], &low, sizeof low);
        std::memcpy(out[(at.column + e) / 2 + 1][at.row], &high, sizeof high);
      }
    }
  }
}

// Calls visit(lane's pair of accumulators, matrix's pair) for every pair of instruction `index`.
template <class Visit>
void for_each_pair(void* const* lanes, int index, Sums& sums, Visit&& visit) {
  for (int lane = 0; lane < kLanes; ++lane) {
    auto* d = static_cast<std::byte*>(lane_of(lanes, lane).d) + 4 * index * kWordBytes;
    for (int e = 0; e < 4; e += 2) {
      const auto at = fragments::accumulator_element(lane, e);
      visit(d + e * kWordBytes, &sums[at.row][at.column]);
    }
  }
}

// Lets `add(sums)` add to the accumulators of instruction `index`.
template <class Add>
void accumulate(void* const* lanes, int index, Sums& sums, Add&& add) {
  for_each_pair(lanes, index, sums, [](std::byte* d, std::uint32_t* sum) { std::memcpy(sum, d, 2 * kWordBytes); });
  add(sums[0]);
  for_each_pair(lanes, index, sums, [](std::byte* d, std::uint32_t* sum) { std::memcpy(d, sum, 2 * kWordBytes); });
}

template <int kBits>
void execute(void* const* lanes, const MmaTile& tile, MmaScratch& scratch) {
  WideA* const a = scratch.a;
  for (int i = 0; i < tile.rows; ++i) widen_a<kBits>(lanes, tile, i, a[i]);
  for (int j = 0; j < tile.columns; ++j) {
    widen_b<kBits>(lanes, tile, j, scratch.b);
    for (int i = 0; i < tile.rows; ++i) {
      accumulate(lanes, i * tile.columns + j, scratch.sums, [&](std::uint32_t* sums) {
        add_product(a[i][0], scratch.b[0][0], reinterpret_cast<std::int32_t*>(sums), {kM, kN, tile.k(), MmaScratch::kMaxK});
      });
    }
  }
}

// Widens the lines of a 16-bit fragment from line `first` of the matrix on. `registers(lane)` are a lane's; `place` is the
// fragment's map.
template <int kLines, class Registers, class Place>
void widen_float(const FloatMatrix& matrix, FloatType type, int first, Registers&& registers, Place&& place) {
  std::uint16_t elements[kLines][kFloatDepth];
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int r = 0; r < kLines / 4; ++r) {
      const auto at = place(lane, 2 * r, 2);
      std::memcpy(&elements[at.row][at.column], registers(lane) + r, kWordBytes);
    }
  }
  for (int line = 0; line < kLines; ++line) set_line(matrix, type, first + line, elements[line]);
}

constexpr int kBitWords = 8;  // of 256 bits
using BitRow = std::array<std::uint32_t, kBitWords>;
template <int kLines>
using BitRows = std::array<BitRow, kLines>;

// A fragment of bits as the rows of its matrix. `registers(lane)` are a lane's; `place` is the fragment's map.
template <int kLines, class Registers, class Place>
BitRows<kLines> gather_bits(Registers&& registers, Place&& place) {
  BitRows<kLines> rows;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int r = 0; r < kLines / 4; ++r) {
      const auto at = place(lane, r * 32, 32);
      rows[static_cast<std::size_t>(at.row)][static_cast<std::size_t>(at.column / 32)] = registers(lane)[r];
    }
  }
  return rows;
}

std::uint32_t count_bits(const BitRow& a, const BitRow& b, bool use_xor) {
  int sum = 0;
  for (std::size_t w = 0; w < kBitWords; ++w) sum += std::popcount(use_xor ? a[w] ^ b[w] : a[w] & b[w]);
  return static_cast<std::uint32_t>(sum);
}

}  // namespace

void execute_mma(void* const* lanes, const MmaTile& tile, MmaScratch& scratch) {
  if (tile.a_type.bits == 8)
    execute<8>(lanes, tile, scratch);
  else
    execute<4>(lanes, tile, scratch);
}

std::uint64_t execute_mma(void* const* lanes, const FloatMmaTile& tile, MmaScratch& scratch) {
  const FloatMatrix b = scratch.float_b.columns(kN);
  std::uint64_t open = 0;
  for (int i = 0; i < tile.rows; ++i) {
    widen_float<kM>(
        scratch.float_a.rows(), tile.type, i * kM, [&](int lane) { return lane_of(lanes, lane).a + 4 * i; },
        fragments::a_element);
  }
  for (int j = 0; j < tile.columns; ++j) {
    widen_float<kN>(b, tile.type, 0, [&](int lane) { return lane_of(lanes, lane).b + 2 * j; }, fragments::b_element);
    for (int i = 0; i < tile.rows; ++i) {
      accumulate(lanes, i * tile.columns + j, scratch.sums,
                 [&](std::uint32_t* sums) { open += add_float_product(scratch.float_a.rows(i * kM), b, sums, kM, kN); });
    }
  }
  return open;
}

void execute_mma_b1(void* const* lanes, int rows, int columns, bool use_xor) {
  for (int i = 0; i < rows; ++i) {
    const BitRows<kM> a = gather_bits<kM>([&](int lane) { return lane_of(lanes, lane).a + 4 * i; }, fragments::a_element);
    for (int j = 0; j < columns; ++j) {
      const BitRows<kN> b = gather_bits<kN>([&](int lane) { return lane_of(lanes, lane).b + 2 * j; }, fragments::b_element);
      for (int lane = 0; lane < kLanes; ++lane) {
        auto* d = static_cast<std::uint32_t*>(lane_of(lanes, lane).d) + 4 * (i * columns + j);
        for (int e = 0; e < 4; ++e) {
          const auto at = fragments::accumulator_element(lane, e);
          d[e] += count_bits(a[static_cast<std::size_t>(at.row)], b[static_cast<std::size_t>(at.column)], use_xor);
        }
      }
    }
  }
}

}  // namespace simt::host
