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

// How a tensor may lie in memory: without padding in C order, or with neighbours side by side in the last dimension alone.
enum class Layout { kPacked, kRows };

// A borrowed tensor; what it views lives as long as this object.
class Operand {
 public:
  // Raises ValueError, naming the operand, when `object` is not an aligned tensor on a CPU or a CUDA device in that order.
  Operand(const std::string& name, const pybind11::object& object, Layout layout = Layout::kPacked);

  const std::string& name() const { return name_; }
  std::uint64_t address() const { return address_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  // Elements from one to the next of each dimension; 0 where there is one.
  const std::vector<std::int64_t>& strides() const { return strides_; }
  std::int64_t elements() const;
  std::size_t bytes() const;  // from the first element to the last
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
  std::vector<std::int64_t> shape_, strides_;
  ElementType type_ = ElementType::kOther;
  Place place_;
};

std::string describe(const std::vector<std::int64_t>& shape);

}  // namespace immabench::bindings
