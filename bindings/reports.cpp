#include "reports.hpp"

#include <thread>

namespace py = pybind11;
using simt::host::Operation;

namespace immabench::bindings {
namespace {

py::dict to_dict(const simt::host::Transactions& t, const char* unit) {
  return py::dict(py::arg("requests") = t.requests, py::arg("bytes") = t.bytes, py::arg(unit) = t.units,
                  py::arg("ideal") = t.ideal);
}

py::dict to_dict(const simt::host::Counts& counts) {
  py::dict result;
  result["mma"] = counts.mma;
  result["wgmma"] = counts.wgmma;
  result["macs"] = counts.macs;
  result["unspecified"] = counts.unspecified;
  result["barriers"] = counts.barriers;
  for (const Operation operation : {Operation::kLdmatrix, Operation::kSharedLoad, Operation::kSharedStore}) {
    result[name(operation)] = to_dict(counts.of(operation), "wavefronts");
  }
  for (const Operation operation : {Operation::kGlobalLoad, Operation::kGlobalStore, Operation::kGlobalAtomic}) {
    result[name(operation)] = to_dict(counts.of(operation), "sectors");
  }
  for (const Operation operation : {Operation::kBulkLoad, Operation::kBulkStore}) {
    result[name(operation)] = to_dict(counts.of(operation), "sectors");
  }
  result[name(Operation::kWgmma)] = to_dict(counts.of(Operation::kWgmma), "wavefronts");
  // An asynchronous copy has two sides: it reads global sectors and writes shared wavefronts.
  py::dict copy = to_dict(counts.of(Operation::kAsyncCopyGlobal), "sectors");
  copy["wavefronts"] = counts.of(Operation::kAsyncCopyShared).units;
  copy["ideal_wavefronts"] = counts.of(Operation::kAsyncCopyShared).ideal;
  result["async_copy"] = copy;
  return result;
}

// Source paths from the folder of the kernels on, wherever the tree was built.
std::string short_path(const std::string& path) {
  const auto at = path.rfind("kernels/");
  return at == std::string::npos ? path : path.substr(at);
}

py::dict to_dict(const simt::host::LineCounts& line) {
  const auto& t = line.transactions;
  return py::dict(py::arg("file") = short_path(line.file), py::arg("line") = line.line,
                  py::arg("operation") = name(line.operation), py::arg("requests") = t.requests, py::arg("bytes") = t.bytes,
                  py::arg("units") = t.units, py::arg("ideal") = t.ideal,
                  py::arg("unit") = is_global(line.operation) ? "sectors" : "wavefronts");
}

py::dict to_dict(const simt::host::Hazard& hazard) {
  return py::dict(py::arg("kind") = name(hazard.kind), py::arg("detail") = hazard.detail,
                  py::arg("file") = short_path(hazard.site.file), py::arg("line") = hazard.site.line,
                  py::arg("block") = hazard.block, py::arg("thread") = hazard.thread);
}

template <class Items>
py::list to_list(const Items& items) {
  py::list result;
  for (const auto& item : items) result.append(to_dict(item));
  return result;
}

}  // namespace

simt::host::Options make_options(const std::string& order, std::uint64_t seed, bool check, bool count, int threads,
                                 std::size_t max_hazards) {
  simt::host::Options options{check, count, simt::host::Order::kForward, seed, threads, max_hazards};
  if (order == "reverse")
    options.order = simt::host::Order::kReverse;
  else if (order == "random")
    options.order = simt::host::Order::kRandom;
  else if (order != "forward")
    throw py::value_error("order '" + order + "' is unknown; take forward, reverse or random");
  return options;
}

py::dict to_dict(const simt::host::Report& report, double seconds) {
  return py::dict(py::arg("hazards") = to_list(report.hazards), py::arg("hazard_total") = report.hazard_total,
                  py::arg("blocks") = report.counts.blocks, py::arg("macs") = report.counts.macs, py::arg("seconds") = seconds,
                  py::arg("counts") = to_dict(report.counts), py::arg("lines") = to_list(report.lines));
}

}  // namespace immabench::bindings
