#include "companion_operands.hpp"

#include <climits>
#include <cmath>

namespace py = pybind11;

namespace immabench::bindings {

using simt::host::Access;

MatrixSize expect_matrix(const Operand& operand, int codes_per_element) {
  const auto& shape = operand.shape();
  if (shape.size() != 2) operand.reject("has shape " + describe(shape), "pass a matrix [rows, columns]");
  const std::int64_t columns = shape[1] * codes_per_element;
  if (shape[0] < 1 || columns < 1 || shape[0] > INT_MAX || columns > INT_MAX)
    operand.reject("has shape " + describe(shape), "rows and columns run from 1 to 2^31-1");
  return {static_cast<int>(shape[0]), static_cast<int>(columns)};
}

FloatType expect_float(const Operand& operand) {
  operand.expect_type({ElementType::kF32, ElementType::kF16, ElementType::kBF16, ElementType::kU16},
                      "pass float32, float16 or bfloat16 (or uint16 for its bits)");
  switch (operand.type()) {
    case ElementType::kF32: return FloatType::kF32;
    case ElementType::kF16: return FloatType::kF16;
    default: return FloatType::kBF16;
  }
}

void expect_codes_of(const Operand& operand, MatrixSize size) {
  const bool packed = operand.type() == ElementType::kU8;
  if (packed && size.columns % 2) {
    operand.reject("holds two codes a byte of " + std::to_string(size.columns) + " columns",
                   "pad them to an even number, or take int8");
  }
  operand.expect_shape({size.rows, packed ? size.columns / 2 : size.columns},
                       packed ? "a byte for two columns" : "a code an element");
}

Granularity parse_granularity(const std::string& name) {
  if (name == "tensor") return Granularity::kTensor;
  if (name == "row") return Granularity::kRow;
  if (name == "column") return Granularity::kColumn;
  throw py::value_error("granularity '" + name + "' is unknown; take tensor, row or column");
}

int extent_of(Granularity granularity, MatrixSize size) {
  switch (granularity) {
    case Granularity::kRow: return size.rows;
    case Granularity::kColumn: return size.columns;
    case Granularity::kTensor: break;
  }
  return 1;
}

const Operand& OperandSet::take(const char* name, const py::object& object, Access access, Layout layout) {
  entries_.push_back({Operand(name, object, layout), access});
  return entries_.back().operand;
}

const Operand& OperandSet::take_vector(const char* name, const py::object& object, ElementType type, int extent,
                                       Values values) {
  const Operand& operand = take(name, object, values == Values::kAny ? Access::kWrite : Access::kRead);
  entries_.back().values = values;
  operand.expect_type({type}, type == ElementType::kF32 ? "convert it to float32" : "convert it to int32");
  operand.expect_shape({extent}, extent == 1 ? "pass one value" : "pass one value a row or column");
  return operand;
}

std::uint64_t OperandSet::take_scales(const char* name, const py::object& object, int extent) {
  return take_vector(name, object, ElementType::kF32, extent, Values::kScales).address();
}

std::uint64_t OperandSet::take_zero_points(const char* name, const py::object& object, int extent) {
  return object.is_none() ? 0 : take_vector(name, object, ElementType::kS32, extent, Values::kZeroPoints).address();
}

std::uint64_t OperandSet::take_floats(const char* name, const py::object& object, int extent) {
  return object.is_none() ? 0 : take_required_floats(name, object, extent);
}

std::uint64_t OperandSet::take_required_floats(const char* name, const py::object& object, int extent) {
  return take_vector(name, object, ElementType::kF32, extent, Values::kFinite).address();
}

std::uint64_t OperandSet::take_broadcast(const char* name, const py::object& object, int extent, int& stride) {
  stride = 0;
  if (object.is_none()) return 0;
  if (Operand(name, object).shape() != std::vector<std::int64_t>{1}) stride = 1;
  return take_scales(name, object, stride ? extent : 1);
}

std::uint64_t OperandSet::take_output(const char* name, const py::object& object, ElementType type, int extent) {
  return object.is_none() ? 0 : take_required_output(name, object, type, extent);
}

std::uint64_t OperandSet::take_required_output(const char* name, const py::object& object, ElementType type, int extent) {
  return take_vector(name, object, type, extent, Values::kAny).address();
}

std::uint64_t OperandSet::take_like(const char* name, const py::object& object, const Operand& other, Access access) {
  if (object.is_none()) return 0;
  const Operand& operand = take(name, object, access);
  operand.expect_type({other.type()}, "take the type of 'x'");
  operand.expect_shape(other.shape(), "take the shape of 'x'");
  return operand.address();
}

void OperandSet::expect_one_place() const {
  for (const Entry& entry : entries_) {
    if (!(entry.operand.place() == first().place()))
      entry.operand.reject("is on another device than '" + first().name() + "'", "put all operands on one device");
  }
}

void OperandSet::expect_values(bool finite) const {
  for (const auto& [operand, access, values] : entries_) {
    const auto* floats = reinterpret_cast<const float*>(operand.address());
    const auto* integers = reinterpret_cast<const std::int32_t*>(operand.address());
    for (std::int64_t i = 0; values != Values::kAny && i < operand.elements(); ++i) {
      const auto reject = [&](const std::string& value, const char* rule) {
        operand.reject("holds " + value + " at index " + std::to_string(i), rule);
      };
      if (values == Values::kScales && !(floats[i] > 0 && std::isfinite(floats[i])))
        reject(std::to_string(floats[i]), "scales are positive and finite");
      if (finite && values == Values::kFinite && !std::isfinite(floats[i]))
        reject(std::to_string(floats[i]), "its values are finite");
      if (values == Values::kZeroPoints && (integers[i] < -128 || integers[i] > 127))
        reject(std::to_string(integers[i]), "zero points lie in -128..127");
    }
  }
}

void OperandSet::add_to(simt::host::GlobalMemory& memory) const {
  for (const Entry& entry : entries_) {
    memory.add(reinterpret_cast<const void*>(entry.operand.address()), entry.operand.bytes(), entry.access);
  }
}

}  // namespace immabench::bindings
