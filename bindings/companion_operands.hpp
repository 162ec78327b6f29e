// The operands of a quantizer: taken one by one, checked, and remembered with what the kernel does to them.
#pragma once
#include <deque>
#include <string>

#include <quantize/quantize.hpp>
#include <simt/host/global_memory.hpp>

#include "operand.hpp"

namespace immabench::bindings {

struct MatrixSize {
  int rows, columns;
};

// Raise ValueError unless the operand is as named; `codes_per_element` is 2 where a byte holds two.
MatrixSize expect_matrix(const Operand& operand, int codes_per_element = 1);
FloatType expect_float(const Operand& operand);
// Codes, one or two a byte, of a matrix of this size.
void expect_codes_of(const Operand& operand, MatrixSize size);

Granularity parse_granularity(const std::string& name);
// How many scales a matrix has.
int extent_of(Granularity granularity, MatrixSize size);

class OperandSet {
 public:
  const Operand& take(const char* name, const pybind11::object& object, simt::host::Access access,
                      Layout layout = Layout::kPacked);

  // Each takes a vector and returns its address; those that are not required may be None, whose address is 0.
  std::uint64_t take_scales(const char* name, const pybind11::object& object, int extent);       // required, float32
  std::uint64_t take_zero_points(const char* name, const pybind11::object& object, int extent);  // int32
  std::uint64_t take_floats(const char* name, const pybind11::object& object, int extent);       // finite
  std::uint64_t take_required_floats(const char* name, const pybind11::object& object, int extent);
  // Scales: one for all, with stride 0, or `extent`, with stride 1.
  std::uint64_t take_broadcast(const char* name, const pybind11::object& object, int extent, int& stride);
  std::uint64_t take_output(const char* name, const pybind11::object& object, ElementType type, int extent);
  std::uint64_t take_required_output(const char* name, const pybind11::object& object, ElementType type, int extent);
  // Of the type and shape of another operand.
  std::uint64_t take_like(const char* name, const pybind11::object& object, const Operand& other, simt::host::Access access);

  const Operand& first() const { return entries_.front().operand; }
  void expect_one_place() const;
  // Looks at scales and zero points, which must be in CPU memory, and at floats that have to be finite where kernels, which
  // leave open what becomes of others, run.
  void expect_values(bool finite = true) const;
  void add_to(simt::host::GlobalMemory& memory) const;

 private:
  enum class Values { kAny, kScales, kZeroPoints, kFinite };
  struct Entry {
    Operand operand;
    simt::host::Access access;
    Values values = Values::kAny;
  };
  const Operand& take_vector(const char* name, const pybind11::object& object, ElementType type, int extent, Values values);

  std::deque<Entry> entries_;  // references to its elements stay valid
};

}  // namespace immabench::bindings
