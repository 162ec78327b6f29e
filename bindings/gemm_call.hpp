// The operands of one call of a GEMM kernel, imported and checked against each other and against the kernel.
#pragma once
#include <gemm/gemm.hpp>

#include <map>
#include <string>
#include <vector>

#include "operand.hpp"

namespace immabench::bindings {

OutputType parse_output_type(const std::string& name);

// The convolution of a dictionary whose keys are the members' names; no convolution of None. Raises ValueError.
ConvolutionArguments parse_convolution(const pybind11::object& named);

class GemmCall {
 public:
  // Raises ValueError, naming the operand and the remedy. A with a dimension more is a batch, and so is the rest. `optional`
  // holds operands by name, None where absent. Of a kernel of images A is [images, height, width, channels].
  GemmCall(const GemmKernel& kernel, const pybind11::object& a, const pybind11::object& b, const pybind11::object& out,
           const std::string& output_type, const std::string& activation, int group, const ConvolutionArguments& convolution,
           const pybind11::dict& optional);

  static constexpr const char* kWorkspace = "workspace";

  GemmArguments arguments;

  const Operand& a() const { return a_; }
  const Operand& out() const { return out_; }
  std::vector<const Operand*> inputs() const;
  // Values too: scales are positive and finite, a bias is finite, zero points are in range. On the CPU alone, where looking at
  // them means no waiting for a GPU.
  void expect_valid_values() const;
  // The memory in which blocks add up what they share, once the number of multiprocessors is known; null where they share none.
  void take_workspace();
  const Operand* workspace() const { return find(kWorkspace); }

 private:
  enum class Extent { kOne, kAll, kOneOrAll };  // values of a vector: one, one a row (column), either

  void take_optional(const pybind11::dict& optional);
  void take_matrices();
  void expect_ranks() const;
  void expect_image() const;
  void take_epilogue(const std::string& activation);
  void take_residual();
  void take_groups();
  const Operand* find(const std::string& name) const;
  // The shape of what every product of a batch has one of.
  std::vector<std::int64_t> of_batch(std::vector<std::int64_t> shape) const;
  void expect_present(const std::string& name, bool needed) const;
  void expect_valid_affine() const;
  void expect_chunks(const Operand& operand) const;
  void expect_weights(int n, int k) const;
  void refuse_beside_sums(const std::string& activation) const;
  int take_vector(const std::string& name, ElementType type, Extent extent, int count, std::uint64_t& address) const;
  void take_group_array(const std::string& name, std::initializer_list<ElementType> types, std::uint64_t& address) const;
  template <class T, class IsValid>
  void expect_values(const std::string& name, IsValid&& is_valid, const char* rule) const;

  const GemmKernel& kernel_;
  Operand a_, b_, out_;
  std::map<std::string, Operand> optional_;
};

}  // namespace immabench::bindings
