// Which kernels there are around the GEMMs.
#include <attention/attention.hpp>
#include <companions.hpp>
#include <optional>
#include <pooling/pooling.hpp>
#include <quantize/quantize.hpp>
#include <span>

#include "gemm_call.hpp"
#include "topics.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

py::dict describe(const CompanionConfig& config) {
  using py::arg;
  py::dict operand_types;
  for (const auto& [name, types] : config.operand_types) operand_types[py::str(name)] = types;
  const auto where = [](int there, int value) { return there ? py::object(py::int_(value)) : py::object(py::none()); };
  const auto of_rows = [&](int value) { return where(config.row_threads, value); };
  return py::dict(arg("id") = config.id, arg("family") = config.family, arg("provider") = "handwritten",
                  arg("architectures") = std::vector<std::string>{"sm_80", "sm_86", "sm_89", "sm_90a"},
                  arg("operand_types") = operand_types, arg("threads") = config.threads,
                  arg("shared_bytes") = config.shared_bytes, arg("row_threads") = of_rows(config.row_threads),
                  arg("resident_columns") = of_rows(config.resident_columns), arg("streams") = config.streams,
                  arg("window_threads") = where(config.window_threads, config.window_threads),
                  arg("block_tile") = config.block_tile[0] ? py::object(py::cast(config.block_tile)) : py::object(py::none()));
}

// Calls visit(config, arguments) for every configuration of every family, with arguments of its calls that hold nothing yet.
template <class Visit>
void for_each_config(Visit&& visit) {
  const auto each = [&]<class Arguments>(std::span<const Companion<Arguments>> table) {
    for (const auto& companion : table) visit(companion.config, Arguments{});
  };
  each(companions<QuantizeArguments>()), each(companions<QuantizeDynamicArguments>());
  each(companions<LayerNormQuantizeArguments>()), each(companions<DequantizeArguments>());
  each(companions<RequantizeArguments>()), each(companions<PackS4Arguments>()), each(companions<UnpackS4Arguments>());
  each(companions<ReorderWeightsArguments>()), each(companions<SoftmaxQuantizeArguments>());
  each(companions<AttentionArguments>()), each(companions<MaxPoolArguments>()), each(companions<AvgPoolArguments>());
}

py::list list_companions() {
  py::list result;
  for_each_config([&](const CompanionConfig& config, const auto&) { result.append(describe(config)); });
  return result;
}

py::object to_object(const std::optional<std::string>& reason, const std::string& id) {
  if (!reason) throw py::key_error("no kernel '" + id + "' of these operands; see _native.companions()");
  return reason->empty() ? py::none() : py::object(py::str(*reason));
}

py::object illegal(const std::string& id, int rows, int columns) {
  std::optional<std::string> reason;
  for_each_config([&](const CompanionConfig& config, auto arguments) {
    if constexpr (requires { arguments.rows, arguments.columns; }) {
      if (config.id != id) return;
      arguments.rows = rows, arguments.columns = columns;
      reason = illegal_reason(config, arguments);
    }
  });
  return to_object(reason, id);
}

py::object illegal_pooling(const std::string& id, const py::dict& geometry) {
  std::optional<std::string> reason;
  for_each_config([&](const CompanionConfig& config, const auto& arguments) {
    if constexpr (requires { arguments.geometry; }) {
      if (config.id == id) reason = illegal_reason(config, parse_convolution(geometry));
    }
  });
  return to_object(reason, id);
}

}  // namespace

void register_companions(py::module_& module) {
  using py::arg;
  module.def("companions", &list_companions, "Every compiled configuration of the kernels around the GEMMs.");
  module.def("companion_illegal_reason", &illegal, arg("kernel_id"), arg("rows"), arg("columns"),
             "Why a kernel cannot take a matrix of this size, or None.");
  module.def("pooling_illegal_reason", &illegal_pooling, arg("kernel_id"), arg("geometry"),
             "Why a kernel cannot pool images by these windows, or None.");
}

}  // namespace immabench::bindings
