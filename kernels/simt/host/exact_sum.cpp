#include <simt/host/exact_sum.hpp>

#include <bit>
#include <cmath>
#include <limits>

namespace simt::host {
namespace {

// What a sum in float64 loses (Knuth, TAOCP 2, section 4.2.2, theorem B).
double error_of(double sum, double x, double y) {
  const double added = sum - x;
  return (x - (sum - added)) + (y - added);
}

// Doubles whose bits do not overlap, smallest first: their sum is that of all that was added (Shewchuk, "Adaptive precision
// floating-point arithmetic", Discrete & Computational Geometry 18, 1997, grow-expansion).
class Expansion {
 public:
  void add(double x) {
    int kept = 0;
    for (int i = 0; i < count_; ++i) {
      const double sum = x + parts_[i], lost = error_of(sum, x, parts_[i]);
      if (lost != 0) parts_[kept++] = lost;
      x = sum;
    }
    parts_[kept++] = x;
    count_ = kept;
  }

  // Rounded to odd: where bits are lost, to the neighbour whose last bit is 1. Rounding that to 24 bits is as rounding the sum
  // itself (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Trans. Computers 57, 2008).
  double to_odd() const {
    double high = parts_[count_ - 1], low = 0;
    for (int i = count_ - 1; i > 0 && low == 0;) {
      const double part = parts_[--i], sum = high + part;
      low = part - (sum - high);
      high = sum;
    }
    if (low == 0 || std::bit_cast<std::uint64_t>(high) & 1) return high;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return std::nextafter(high, low > 0 ? kInfinity : -kInfinity);
  }

 private:
  double parts_[kMaxAddends];
  int count_ = 0;
};

}  // namespace

float rounded_sum(std::span<const double> addends) {
  Expansion sum;
  double rough = -0.0;
  for (const double addend : addends) {
    rough += addend;
    sum.add(addend);
  }
  if (std::isnan(rough)) return std::bit_cast<float>(kCanonicalNaN32);
  return static_cast<float>(std::isinf(rough) ? rough : sum.to_odd());
}

}  // namespace simt::host
