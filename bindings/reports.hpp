// Emulation options from, and reports to, Python.
#pragma once
#include <pybind11/pybind11.h>

#include <string>

#include <simt/host/report.hpp>

namespace immabench::bindings {

simt::host::Options make_options(const std::string& order, std::uint64_t seed, bool check, bool count, int threads,
                                 std::size_t max_hazards);

// The report as the `emulate` command prints it.
pybind11::dict to_dict(const simt::host::Report& report, double seconds);

}  // namespace immabench::bindings
