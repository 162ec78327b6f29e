// Operands as the bindings take them: anything that speaks DLPack (torch tensors, numpy arrays, ...), checked before use.
#pragma once
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace immabench::bindings {

enum class ElementType { kS8, kU8, kU16, kU32, kS32, kS64, kF16, kBF16, kF32, kOther };

struct Place {
  bool cuda = false;
  int index = 0;
  bool operator==(const Place&) const = default;
};

// A borrowed tensor; what it views lives as long as this object.
class Operand {
 public:
  // Raises ValueError, naming the operand, when `object` is not an aligned tensor on a CPU or a CUDA device in
  // C order.
  Operand(const std::string& name, const pybind11::object& object);

  const std::string& name() const { return name_; }
  std::uint64_t address() const { return address_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t elements() const;
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * element_bytes_; }
  ElementType type() const { return type_; }
  const Place& place() const { return place_; }

  // Raise ValueError unless the operand is as stated; `remedy` says what to do.
  void expect_type(std::initializer_list<ElementType> types, const char* remedy) const;
  void expect_shape(const std::vector<std::int64_t>& shape, const char* remedy) const;

  [[noreturn]] void reject(const std::string& problem, const std::string& remedy) const;

 private:
  std::string name_;
  std::shared_ptr<void> owner_;
  std::uint64_t address_ = 0;
  std::size_t element_bytes_ = 0;
  std::vector<std::int64_t> shape_;
  ElementType type_ = ElementType::kOther;
  Place place_;
};

std::string describe(const std::vector<std::int64_t>& shape);

}  // namespace immabench::bindings
