// Roundings and bit operations against independent definitions.
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <parts/fast_division.cuh>

#include "harness.hpp"

using namespace machine_tests;

namespace {

// The value of a 16-bit float with `exponent_bits` exponent bits, exactly, as a double.
double decode(u32 bits, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = int(bits >> mantissa_bits & ((1u << exponent_bits) - 1)),
            mantissa = int(bits & ((1u << mantissa_bits) - 1));
  const double magnitude = exponent ? std::ldexp(1 + std::ldexp(mantissa, -mantissa_bits), exponent - bias)
                                    : std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return bits & 0x8000 ? -magnitude : magnitude;
}

// Is `got` the nearest of all 16-bit floats to `value`, ties to the even one? Infinity stands at twice the largest power of
// two.
template <class Real>
void expect_nearest(Real value, u32 got, int exponent_bits) {
  const auto distance = [&](u32 bits) {
    const Real difference = Real(decode(bits, exponent_bits)) - value;
    return difference < 0 ? -difference : difference;
  };
  const u32 infinity = ((1u << exponent_bits) - 1) << (15 - exponent_bits), magnitude = got & 0x7FFF;
  CHECK((value < 0 || (value == 0 && 1 / value < 0)) == bool(got & 0x8000));
  CHECK(magnitude <= infinity);
  for (const u32 neighbour : {magnitude - 1, magnitude + 1}) {
    if (neighbour > infinity) continue;  // wraps below zero too
    const u32 other = neighbour | (got & 0x8000);
    CHECK(distance(got) < distance(other) || (distance(got) == distance(other) && got % 2 == 0));
  }
}

void expect_conversions(float value) {
  const u32 f16 = simt::pack_f16x2(value, 0) & 0xFFFF, bf16 = simt::pack_bf16x2(value, 0) & 0xFFFF;
  if (std::isnan(value)) {
    CHECK_EQUAL(f16, 0x7FFFu);
    CHECK_EQUAL(bf16, 0x7FFFu);
  } else if (std::isinf(value)) {
    CHECK_EQUAL(f16, value < 0 ? 0xFC00u : 0x7C00u);
    CHECK_EQUAL(bf16, value < 0 ? 0xFF80u : 0x7F80u);
  } else {
    if (std::abs(value) < 131072.0f)
      expect_nearest(double(value), f16, 5);
    else
      CHECK_EQUAL(f16 & 0x7FFF, 0x7C00u);
    expect_nearest(double(value), bf16, 8);
  }
}

// 113 bits of mantissa: exact where exponents lie within 60 of each other.
using Quad = __float128;

void expect_half(Quad value, u32 got, int exponent_bits) {
  if (value != value)
    CHECK_EQUAL(got, 0x7FFFu);
  else if (value - value != 0)
    CHECK_EQUAL(got, (value < 0 ? 0x8000u : 0u) | ((1u << exponent_bits) - 1) << (15 - exponent_bits));
  else
    expect_nearest(value, got, exponent_bits);
}

// What a 16-bit float stands for, infinities and NaNs too.
Quad value_of(u32 bits, int exponent_bits) {
  const u32 infinity = ((1u << exponent_bits) - 1) << (15 - exponent_bits), magnitude = bits & 0x7FFF;
  if (magnitude > infinity) return std::numeric_limits<double>::quiet_NaN();
  if (magnitude == infinity) return bits & 0x8000 ? -HUGE_VAL : HUGE_VAL;
  return decode(bits, exponent_bits);
}

struct PairFunctions {
  u32 (*fma)(u32, u32, u32);
  u32 (*multiply)(u32, u32);
  u32 (*subtract)(u32, u32);
};

void expect_pairs(const PairFunctions& pairs, int exponent_bits, u32 a, u32 b, u32 c) {
  const u32 fma = pairs.fma(a, b, c), product = pairs.multiply(a, b), difference = pairs.subtract(a, b);
  for (const int shift : {0, 16}) {
    const auto value = [&](u32 word) { return value_of(word >> shift & 0xFFFF, exponent_bits); };
    expect_half(value(a) * value(b) + value(c), fma >> shift & 0xFFFF, exponent_bits);
    expect_half(value(a) * value(b), product >> shift & 0xFFFF, exponent_bits);
    expect_half(value(a) - value(b), difference >> shift & 0xFFFF, exponent_bits);
  }
}

}  // namespace

// Around every multiple of a divisor where a quotient changes, and at the ends of what it may divide.
CASE(division_by_a_known_number) {
  std::mt19937 generator(1);
  std::vector<int> divisors{1,        2, 3, 5, 7, 9, 10, 147, 1 << 14, (1 << 14) - 1, 1 << 30, (1 << 30) + 1, INT32_MAX - 1,
                            INT32_MAX};
  for (int i = 0; i < 200; ++i) divisors.push_back(1 + int(generator() % ((2u << i % 31) - 1)));
  for (const int divisor : divisors) {
    const immabench::FastDivisor by(divisor);
    std::vector<std::int64_t> dividends{0, 1, INT32_MAX - 1, INT32_MAX};
    for (int i = 0; i < 200; ++i) {
      const std::int64_t multiple = std::int64_t{divisor} * (generator() % (INT32_MAX / divisor) + 1);
      dividends.insert(dividends.end(), {multiple - 1, multiple, multiple + 1});
    }
    for (const std::int64_t dividend : dividends) {
      if (dividend > INT32_MAX) continue;
      const int quotient = by.quotient(int(dividend));
      CHECK(quotient == dividend / divisor);
      CHECK(by.remainder(int(dividend), quotient) == dividend % divisor);
    }
  }
}

CASE(conversions_to_16_bits) {
  std::mt19937 generator(3);
  for (int i = 0; i < 300000; ++i) expect_conversions(std::bit_cast<float>(u32(generator())));
  // All exponents, with mantissas around the halfway points of both formats.
  for (u32 exponent = 0; exponent < 256; ++exponent) {
    for (const u32 around : {0u, 0x1000u, 0x2000u, 0x3000u, 0x8000u, 0x10000u, 0x18000u, 0x7FF000u, 0x7F8000u, 0x7FFFFFu}) {
      for (const u32 mantissa : {around - 1, around, around + 1}) {
        for (const u32 sign : {0u, 0x80000000u})
          expect_conversions(std::bit_cast<float>(sign | exponent << 23 | (mantissa & 0x7FFFFF)));
      }
    }
  }
  CHECK_EQUAL(simt::pack_f16x2(1.0f, -2.0f), 0xC0003C00u);
  CHECK_EQUAL(simt::pack_bf16x2(1.0f, -2.0f), 0xC0003F80u);
}

namespace {

__extension__ typedef __float128 Wide;  // 113 bits of mantissa

using Word2 = u32 (*)(u32, u32);
using Word3 = u32 (*)(u32, u32, u32);

bool is_number(u32 bits, int exponent_bits) {
  const u32 infinity = ((1u << exponent_bits) - 1) << (15 - exponent_bits);
  return (bits & 0x7FFF) < infinity;
}

// A 16-bit float as a double, infinities and NaNs too.
double widen(u32 bits, int exponent_bits) {
  if (is_number(bits, exponent_bits)) return decode(bits, exponent_bits);
  const double special = bits & ((1u << (15 - exponent_bits)) - 1) ? std::nan("") : HUGE_VAL;
  return bits & 0x8000 ? -special : special;
}

// As expect_nearest, of a product of two numbers of 16 bits plus a third. An addend below 2^-80 of the other changes a rounding
// by its sign alone, so that one of 2^-80 stands for it: 113 bits hold every sum.
void expect_fma(u32 a, u32 b, u32 c, u32 got, int exponent_bits) {
  const double x = widen(a, exponent_bits), y = widen(b, exponent_bits), z = widen(c, exponent_bits), sum = std::fma(x, y, z);
  if (!is_number(a, exponent_bits) || !is_number(b, exponent_bits) || !is_number(c, exponent_bits) || sum == 0) {
    const u32 infinity = ((1u << exponent_bits) - 1) << (15 - exponent_bits);
    const u32 want = std::isnan(sum) ? 0x7FFF : (std::isinf(sum) ? infinity : 0) | (std::signbit(sum) ? 0x8000 : 0);
    CHECK_EQUAL(got, want);
    return;
  }
  const auto magnitude = [](Wide value) { return value < 0 ? -value : value; };
  const auto at_least = [&](Wide value, Wide other) {
    const Wide least = magnitude(other) * std::ldexp(1.0, -80);
    return value == 0 || magnitude(value) >= least ? value : value < 0 ? -least : least;
  };
  const Wide product = Wide(x) * y, exact = at_least(product, z) + at_least(z, product);
  const auto distance = [&](u32 bits) { return magnitude(decode(bits, exponent_bits) - exact); };
  CHECK((exact < 0) == bool(got & 0x8000));
  for (const u32 neighbour : {(got & 0x7FFF) - 1, (got & 0x7FFF) + 1}) {
    if (neighbour > ((1u << exponent_bits) - 1) << (15 - exponent_bits)) continue;
    const Wide other = distance(neighbour | (got & 0x8000)), own = distance(got);
    CHECK(own < other || (own == other && got % 2 == 0));
  }
}

// Zeros, subnormals, 1 and its neighbours, the greatest numbers, infinity and NaN of both formats, and random ones.
const u32 kHalves[] = {0x0000, 0x8001, 0x03FF, 0x0400, 0x3BFF, 0x3C00, 0xBC01, 0x6480, 0x7BFF, 0x7C00,
                       0x7E00, 0x0080, 0x3F7F, 0xBF80, 0x4308, 0x7F7F, 0xFF80, 0x7FC0, 0x2D3B, 0xC5A7};

void expect_arithmetic(Word3 fma, Word2 multiply, Word2 subtract, int exponent_bits) {
  constexpr u32 kMinusZero = 0x8000, kOne = 0x3C00, kOneBF16 = 0x3F80;
  const u32 one = exponent_bits == 5 ? kOne : kOneBF16;
  std::mt19937 generator(5);
  for (u32 a = 0; a < 0x10000; ++a) {
    const u32 b = kHalves[a % std::size(kHalves)], c = generator() & 0xFFFF, d = generator() & 0xFFFF;
    const u32 left = a | c << 16, right = b | d << 16;  // every a in the low half with a special number, random in the high one
    const u32 product = multiply(left, right), difference = subtract(left, right), sum = fma(left, right, right ^ left >> 5);
    for (const int half : {0, 16}) {
      const auto of = [&](u32 word) { return word >> half & 0xFFFF; };
      expect_fma(of(left), of(right), kMinusZero, of(product), exponent_bits);
      expect_fma(of(right), one | 0x8000, of(left), of(difference), exponent_bits);
      expect_fma(of(left), of(right), of(right ^ left >> 5), of(sum), exponent_bits);
    }
  }
}

}  // namespace

CASE(arithmetic_of_f16_pairs) { expect_arithmetic(simt::fma_rn_f16x2, simt::multiply_rn_f16x2, simt::subtract_rn_f16x2, 5); }

CASE(arithmetic_of_bf16_pairs) {
  expect_arithmetic(simt::fma_rn_bf16x2, simt::multiply_rn_bf16x2, simt::subtract_rn_bf16x2, 8);
}

// Products halfway between two numbers, and an addend too small for fp32, or for float64, to tell from nothing.
CASE(fused_multiply_add_of_pairs_rounds_once) {
  CHECK_EQUAL(simt::fma_rn_f16x2(0x3C013C01, 0x3E003E00, 0x80018000), 0x3E013E02u);  // 1.5 + 1.5 2^-10, to even
  CHECK_EQUAL(simt::fma_rn_f16x2(0x3C033C03, 0x3E003E00, 0x00010000), 0x3E053E04u);
  CHECK_EQUAL(simt::fma_rn_bf16x2(0x3F813F81, 0x3FC03FC0, 0x80018000), 0x3FC13FC2u);
  CHECK_EQUAL(simt::fma_rn_bf16x2(0x3F833F83, 0x3FC03FC0, 0x00010000), 0x3FC53FC4u);
}

CASE(conversions_from_16_bits) {
  for (u32 bits = 0; bits < 0x10000; ++bits) {
    const float value = simt::from_f16(simt::u16(bits));
    if ((bits & 0x7FFF) > 0x7C00)
      CHECK(std::isnan(value));
    else if ((bits & 0x7FFF) == 0x7C00)
      CHECK_EQUAL(value, bits & 0x8000 ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity());
    else
      CHECK_EQUAL(std::bit_cast<u32>(value), std::bit_cast<u32>(float(decode(bits, 5))));
  }
}

// The nearest float to a root is the one whose neighbours' midpoints, squared, enclose the number: exact in double, which has
// 53 bits for the 50 of a square.
CASE(square_roots) {
  const auto expect_root = [](float value) {
    const float root = simt::sqrt_rn(value);
    const double below = (double(root) + std::nextafter(root, 0.0f)) / 2,
                 above = (double(root) + std::nextafter(root, 1e38f)) / 2;
    CHECK(below * below < value && value < above * above);
  };
  std::mt19937 generator(5);
  for (int i = 0; i < 100000; ++i) expect_root(std::bit_cast<float>(u32(generator() % 0x7F800000u + 1)));
  for (const u32 bits : {1u, 2u, 0x7FFFFFu, 0x800000u, 0x3F7FFFFFu, 0x3F800001u, 0x7F7FFFFFu})
    expect_root(std::bit_cast<float>(bits));
  CHECK_EQUAL(simt::sqrt_rn(6.25f), 2.5f);
  CHECK_EQUAL(std::bit_cast<u32>(simt::sqrt_rn(-0.0f)), 0x80000000u);
  CHECK(std::isnan(simt::sqrt_rn(-1.0f)));
  CHECK_EQUAL(simt::sqrt_rn(std::numeric_limits<float>::infinity()), std::numeric_limits<float>::infinity());
}

CASE(rounding_to_integers) {
  CHECK_EQUAL(simt::to_int_rn(0.5f), 0);
  CHECK_EQUAL(simt::to_int_rn(1.5f), 2);
  CHECK_EQUAL(simt::to_int_rn(-2.5f), -2);
  CHECK_EQUAL(simt::to_int_rn(3e9f), std::numeric_limits<int>::max());
  CHECK_EQUAL(simt::to_int_rn(-3e9f), std::numeric_limits<int>::min());
  CHECK_EQUAL(simt::to_int_rn(-2147483648.0f), std::numeric_limits<int>::min());
  CHECK_EQUAL(simt::to_int_rn(std::nanf("")), 0);
  CHECK_EQUAL(simt::to_float_rn(16777217), 16777216.0f);
  CHECK_EQUAL(simt::to_float_rn(16777219), 16777220.0f);
}

CASE(no_contraction) {
  // Fused, (1 + e)(1 - e) - 1 is -e^2; in two roundings it is 0.
  volatile float e = 1.0f / 8192 / 2;
  const float product = simt::multiply_rn(1 + e, 1 - e);
  CHECK_EQUAL(simt::add_rn(product, -1.0f), 0.0f);
}

CASE(byte_dot_products) {
  std::mt19937 generator(4);
  for (int i = 0; i < 1000; ++i) {
    const u32 a = generator(), b = generator();
    const int c = int(generator());
    simt::i64 sum = c;
    for (int byte = 0; byte < 4; ++byte) sum += simt::i64(simt::i8(a >> 8 * byte)) * simt::i8(b >> 8 * byte);
    CHECK_EQUAL(simt::dot_s8(a, b, c), simt::i32(u32(sum)));
  }
}

CASE(byte_maxima) {
  CHECK_EQUAL(simt::maximal_bytes({}), 0x80808080u);
  std::mt19937 generator(6);
  for (int i = 0; i < 1000; ++i) {
    simt::ByteMaxima maxima;
    int largest[4] = {-128, -128, -128, -128};
    for (int word = 0; word < 3; ++word) {
      const u32 bytes = generator() | (i % 2 ? 0x80808080u : 0u);  // also where all are negative
      simt::include_bytes(maxima, bytes);
      for (int byte = 0; byte < 4; ++byte) largest[byte] = std::max<int>(largest[byte], simt::i8(bytes >> 8 * byte));
    }
    for (int byte = 0; byte < 4; ++byte) CHECK_EQUAL(int(simt::i8(simt::maximal_bytes(maxima) >> 8 * byte)), largest[byte]);
  }
}

CASE(pairs_of_16_bit_floats) {
  const PairFunctions f16{simt::fma_rn_f16x2, simt::multiply_rn_f16x2, simt::subtract_rn_f16x2};
  const PairFunctions bf16{simt::fma_rn_bf16x2, simt::multiply_rn_bf16x2, simt::subtract_rn_bf16x2};
  std::mt19937 random(5);
  for (int i = 0; i < 100000; ++i) {
    const u32 a = u32(random()), b = u32(random()), c = u32(random());
    expect_pairs(f16, 5, a, b, c);
    // Exponents of bf16 around 1, so that quadruple precision holds their sums; then any, where nothing is added.
    const auto near_one = [](u32 word) { return (word & 0x8F7F8F7F) | 0x38003800; };
    expect_pairs(bf16, 8, near_one(a), near_one(b), near_one(c));
    expect_half(value_of(a & 0xFFFF, 8) * value_of(b & 0xFFFF, 8), simt::multiply_rn_bf16x2(a, b) & 0xFFFF, 8);
  }
  // A product halfway between two f16, and an addend far below that decides: 2049 = (2048 + 1), +- 2^-24.
  CHECK_EQUAL(simt::fma_rn_f16x2(0x6800, 0x3C00, 0x3C00) & 0xFFFF, 0x6800u);  // 2048 + 1: a tie, to even
  CHECK_EQUAL(simt::fma_rn_f16x2(0x1001, 0x0001, 0x3C00) & 0xFFFF, 0x3C00u);
  // Zeros keep the signs of IEEE 754, and special numbers their meaning.
  for (const u32 a : {0x0000u, 0x8000u, 0x7C00u, 0xFC00u, 0x7E00u, 0x3C00u, 0x0001u, 0x7BFFu, 0x7F80u, 0xFF80u, 0x7F7Fu}) {
    for (const u32 b : {0x0000u, 0x8000u, 0x7C00u, 0xBC00u, 0x8001u, 0xFBFFu, 0x7F80u, 0xFF7Fu}) {
      expect_pairs(f16, 5, a, b, 0x8000), expect_pairs(f16, 5, a, b, 0);
      for (const u32 c : {0x8000u, 0u})
        expect_half(value_of(a, 8) * value_of(b, 8) + value_of(c, 8), simt::fma_rn_bf16x2(a, b, c) & 0xFFFF, 8);
    }
  }
}

CASE(byte_permutations) {
  CHECK_EQUAL(simt::permute_bytes(0x33221100, 0x77665544, 0x7531), 0x77553311u);
  CHECK_EQUAL(simt::permute_bytes(0x33221100, 0x77665544, 0x0123), 0x00112233u);
  CHECK_EQUAL(simt::permute_bytes(0x80000000, 0x0000007F, 0xCBBB), 0x00FFFFFFu);
}

CASE(logic_of_three) {
  const u32 a = 0xF0F0F0F0, b = 0xCCCCCCCC, c = 0xAAAAAAAA;
  CHECK_EQUAL((simt::logic3<0x80>(a, b, c)), a & b & c);
  CHECK_EQUAL((simt::logic3<0xFE>(a, b, c)), a | b | c);
  CHECK_EQUAL((simt::logic3<0x96>(a, b, c)), a ^ b ^ c);
  CHECK_EQUAL((simt::logic3<(0xF0 & 0xCC) | 0xAA>(a, b, c)), (a & b) | c);
}

CASE(funnel_shifts) {
  CHECK_EQUAL(simt::funnel_shift_right(0x11223344, 0x55667788, 8), 0x88112233u);
  CHECK_EQUAL(simt::funnel_shift_right(0x11223344, 0x55667788, 0), 0x11223344u);
  CHECK_EQUAL(simt::funnel_shift_right(0x11223344, 0x55667788, 40), 0x88112233u);
}
