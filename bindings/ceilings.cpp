// What the hardware can do at best: rates of instructions, memory read and copied. Whoever calls takes the time.
#include <ceiling/ceiling.hpp>

#include <cuda_devices.hpp>
#include <simt/host/global_memory.hpp>
#include <simt/host/report.hpp>

#include "operand.hpp"
#include "reports.hpp"
#include "topics.hpp"

namespace py = pybind11;
using py::arg;

namespace immabench::bindings {
namespace {

constexpr char kNoCuda[] = "this build has no CUDA kernels; reinstall with -C cmake.define.IMMABENCH_CUDA=ON";

void expect_cpu(const Operand& operand) {
  if (operand.place().cuda) operand.reject("is on a CUDA device", "pass a tensor of the CPU");
}
void expect_gpu(const Operand& operand) {
  if (!operand.place().cuda) operand.reject("is on the CPU", "move it to a CUDA device");
}
void expect_positive(const char* name, std::int64_t value) {
  if (value < 1) throw py::value_error(std::string(name) + " is " + std::to_string(value) + "; pass at least 1");
}
void expect_aligned(const Operand& operand) {
  if (operand.address() % 16) operand.reject("does not start on 16 bytes", "pass an aligned copy");
}

// The entry called `name`. Raises KeyError.
template <class Rate>
const Rate& find(std::span<const Rate> rates, const std::string& name) {
  for (const Rate& rate : rates) {
    if (rate.name == name) return rate;
  }
  throw py::key_error("no instruction '" + name + "' here; see _native.ceilings()");
}

template <class Rate>
py::dict describe(const Rate& rate, const char* device) {
  return py::dict(arg("name") = std::string(rate.name), arg("device") = device,
                  arg("operand_type") = std::string(rate.operand_type), arg("accumulator") = std::string(rate.accumulator),
                  arg("operations") = rate.operations);
}

py::list list_ceilings() {
  py::list found;
  for (const CpuRate& rate : cpu_rates()) {
    py::dict entry = describe(rate, "cpu");
    entry["present"] = rate.present();
    entry["feature"] = std::string(rate.feature);
    entry["vector_bytes"] = rate.vector_bytes;
    entry["chains"] = rate.chains;
    found.append(entry);
  }
  for (const MmaRate& rate : mma_rates()) {
    py::dict entry = describe(rate, "cuda");
    entry["capability"] = std::string(rate.capability);
    entry["instructions"] = rate.instructions;
    found.append(entry);
  }
  return found;
}

// ---- instructions
void run_cpu(const std::string& name, const py::object& operands_object, const py::object& out_object,
             std::int64_t iterations) {
  const CpuRate& rate = find(cpu_rates(), name);
  const Operand operands("operands", operands_object), out("out", out_object);
  if (!rate.present())
    throw py::value_error("this CPU has no " + name + " (" + std::string(rate.feature) + "); see ceilings()");
  for (const Operand* operand : {&operands, &out}) {
    expect_cpu(*operand);
    operand->expect_type({ElementType::kU8}, "pass bytes");
  }
  operands.expect_shape({3 + rate.chains, rate.vector_bytes}, "x[0], x[1], y and the chains' start are needed");
  if (out.shape().empty() || out.shape()[0] < 1) out.reject("has no threads", "pass uint8 [threads, chains, vector bytes]");
  out.expect_shape({out.shape()[0], rate.chains, rate.vector_bytes}, "the chains of each thread are stored");
  expect_positive("iterations", iterations);
  const py::gil_scoped_release release;
  run_cpu_rate(rate, static_cast<int>(out.shape()[0]), reinterpret_cast<const std::byte*>(operands.address()),
               reinterpret_cast<std::byte*>(out.address()), iterations);
}

std::uint64_t chain(std::uint64_t start, std::uint64_t step, std::int64_t additions) {
  if (additions < 0 || additions % 16)
    throw py::value_error("additions is " + std::to_string(additions) + "; pass a multiple of 16");
  const py::gil_scoped_release release;
  return add_chain(start, step, additions);
}

void launch_rate(const std::string& name, const py::object& operands_object, const py::object& out_object,
                 const py::object& clocks_object, int iterations, std::uint64_t stream) {
  if (mma_rates().empty()) throw std::runtime_error(kNoCuda);
  const MmaRate& rate = find(mma_rates(), name);
  const Operand operands("operands", operands_object), out("out", out_object), clocks("clocks", clocks_object);
  operands.expect_type({ElementType::kS32}, "pass random bits of the operand type as int32");
  operands.expect_shape({kRateWords, kRateThreads}, "a block takes words by threads");
  out.expect_type({ElementType::kS32}, "pass int32 [blocks, threads]");
  if (out.shape().empty() || out.shape()[0] < 1) out.reject("has no blocks", "pass int32 [blocks, threads], a block an SM");
  out.expect_shape({out.shape()[0], kRateThreads}, "each thread of each block stores a word");
  clocks.expect_type({ElementType::kS64}, "pass int64 [blocks, 2]");
  clocks.expect_shape({out.shape()[0], 2}, "each block stores clocks and nanoseconds");
  expect_positive("iterations", iterations);
  for (const Operand* operand : {&operands, &out, &clocks}) {
    expect_gpu(*operand);
    if (!(operand->place() == out.place())) operand->reject("is on another device than 'out'", "put all on one device");
  }
  const CurrentDevice device(out.place().index);
  const RateArguments arguments{operands.address(), out.address(), clocks.address(), iterations};
  const int status = rate.launch(arguments, static_cast<int>(out.shape()[0]), stream);
  if (status != 0) throw std::runtime_error(name + ": the launch failed: " + cuda_error(status));
}

// ---- memory
// Source and target of a read or a copy, imported and checked.
struct Buffers {
  Operand source, target;
  Traffic traffic;
  int blocks, repeats;

  Buffers(Traffic which, const py::object& source_object, const py::object& target_object, int block_count, int repeat_count)
      : source("source", source_object),
        target("target", target_object),
        traffic(which),
        blocks(block_count),
        repeats(repeat_count) {
    source.expect_type({ElementType::kS32}, "pass int32");
    target.expect_type({ElementType::kS32}, "pass int32");
    expect_aligned(source), expect_aligned(target);
    expect_positive("blocks", blocks), expect_positive("repeats", repeats);
    if (source.bytes() == 0 || source.bytes() % kTileBytes)
      source.reject("holds " + std::to_string(source.bytes()) + " bytes", "pass whole tiles of " + std::to_string(kTileBytes));
    if (traffic == Traffic::kRead)
      target.expect_shape({blocks, kTileThreads, 4}, "each thread stores the xor of what it read");
    else
      target.expect_shape(source.shape(), "a copy is as large as its source");
    if (!(source.place() == target.place())) source.reject("is on another device than 'target'", "put both on one device");
  }
  BandwidthArguments arguments() const {
    return {source.address(), target.address(), static_cast<int>(source.bytes() / kTileBytes), repeats};
  }
};

py::dict emulate(Traffic traffic, const py::object& source, const py::object& target, int blocks, int repeats,
                 const std::string& order, std::uint64_t seed) {
  const Buffers buffers(traffic, source, target, blocks, repeats);
  expect_cpu(buffers.source);
  simt::host::GlobalMemory memory;
  using simt::host::Access;
  memory.add(reinterpret_cast<const void*>(buffers.source.address()), buffers.source.bytes(), Access::kRead);
  memory.add(reinterpret_cast<const void*>(buffers.target.address()), buffers.target.bytes(), Access::kWrite);
  const simt::host::Options options = make_options(order, seed, true, true, 0, 16);
  const simt::host::Report report = [&] {
    const py::gil_scoped_release release;
    return emulate_bandwidth(traffic, buffers.arguments(), blocks, memory, options);
  }();
  return to_dict(report, 0.0);
}

void launch(Traffic traffic, const py::object& source, const py::object& target, int blocks, int repeats,
            std::uint64_t stream) {
  if (mma_rates().empty()) throw std::runtime_error(kNoCuda);
  const Buffers buffers(traffic, source, target, blocks, repeats);
  expect_gpu(buffers.source);
  const CurrentDevice device(buffers.source.place().index);
  const int status = launch_bandwidth(traffic, buffers.arguments(), blocks, stream);
  if (status != 0) throw std::runtime_error("the launch failed: " + cuda_error(status));
}

std::uint64_t read_cpu(const py::object& source_object, int repeats, int threads) {
  const Operand source("source", source_object);
  expect_cpu(source);
  source.expect_type({ElementType::kS64}, "pass int64");
  expect_positive("repeats", repeats), expect_positive("threads", threads);
  const py::gil_scoped_release release;
  return read_cpu_memory(reinterpret_cast<const std::uint64_t*>(source.address()), source.elements(), repeats, threads);
}

template <Traffic kTraffic>
void register_bandwidth(py::module_& module, const char* emulation, const char* launching) {
  module.def(
      emulation,
      [](const py::object& source, const py::object& target, int blocks, int repeats, const std::string& order,
         std::uint64_t seed) { return emulate(kTraffic, source, target, blocks, repeats, order, seed); },
      arg("source"), arg("target"), py::kw_only(), arg("blocks"), arg("repeats") = 1, arg("order") = "forward", arg("seed") = 0,
      "Runs the kernel on the emulated machine; fills `target` and returns hazards and counts.");
  module.def(
      launching,
      [](const py::object& source, const py::object& target, int blocks, int repeats, std::uint64_t stream) {
        launch(kTraffic, source, target, blocks, repeats, stream);
      },
      arg("source"), arg("target"), py::kw_only(), arg("blocks"), arg("repeats") = 1, arg("stream") = 0,
      "Launches the kernel on the operands' GPU and the given stream; returns at once.");
}

}  // namespace

void register_ceilings(py::module_& module) {
  module.def("ceilings", &list_ceilings, "Every instruction whose peak rate this build can measure.");
  module.def("run_cpu_rate", &run_cpu, arg("name"), arg("operands"), arg("out"), py::kw_only(), arg("iterations"),
             "Runs the chains of an instruction of this CPU, on as many threads as `out` is for.");
  module.def("add_chain", &chain, arg("start"), arg("step"), arg("additions"), "Additions that each wait for the last.");
  module.def("launch_mma_rate", &launch_rate, arg("name"), arg("operands"), arg("out"), arg("clocks"), py::kw_only(),
             arg("iterations"), arg("stream") = 0, "Launches the loop of a matrix instruction; returns at once.");
  module.def("read_memory", &read_cpu, arg("source"), py::kw_only(), arg("repeats") = 1, arg("threads") = 1,
             "Reads a buffer on so many threads; returns the xor of all it read.");
  register_bandwidth<Traffic::kRead>(module, "emulate_read", "launch_read");
  register_bandwidth<Traffic::kCopy>(module, "emulate_copy", "launch_copy");
}

}  // namespace immabench::bindings
