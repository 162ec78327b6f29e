#include "operand.hpp"

#include <algorithm>

#include "dlpack.hpp"

namespace py = pybind11;

namespace immabench::bindings {
namespace {

struct TypeEntry {
  std::uint8_t code, bits;
  ElementType type;
  const char* name;
};
constexpr TypeEntry kTypes[] = {
    {dlpack::kInt, 8, ElementType::kS8, "int8"},        {dlpack::kUInt, 8, ElementType::kU8, "uint8"},
    {dlpack::kUInt, 16, ElementType::kU16, "uint16"},   {dlpack::kUInt, 32, ElementType::kU32, "uint32"},
    {dlpack::kInt, 32, ElementType::kS32, "int32"},     {dlpack::kInt, 64, ElementType::kS64, "int64"},
    {dlpack::kFloat, 16, ElementType::kF16, "float16"}, {dlpack::kBfloat, 16, ElementType::kBF16, "bfloat16"},
    {dlpack::kFloat, 32, ElementType::kF32, "float32"},
};

const TypeEntry* find(const dlpack::DataType& type) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeEntry& entry) {
    return entry.code == type.code && entry.bits == type.bits && type.lanes == 1;
  });
  return found == std::end(kTypes) ? nullptr : found;
}

const char* name_of(ElementType type) {
  for (const TypeEntry& entry : kTypes) {
    if (entry.type == type) return entry.name;
  }
  return "an unsupported type";
}

// How objects of a type lend tensors without a capsule; null where they do not.
const dlpack::ExchangeApi* exchange_api(py::handle type) {
  PyObject* capsule = PyObject_GetAttrString(type.ptr(), "__dlpack_c_exchange_api__");
  if (!capsule) return PyErr_Clear(), nullptr;
  const auto owner = py::reinterpret_steal<py::object>(capsule);
  if (!PyCapsule_IsValid(capsule, dlpack::kExchangeCapsule)) return nullptr;
  const auto* api = static_cast<dlpack::ExchangeApi*>(PyCapsule_GetPointer(capsule, dlpack::kExchangeCapsule));
  return api->major == dlpack::kExchangeVersion && api->borrow ? api : nullptr;
}

// The same of the type that was asked for last, which is that of most operands. The interpreter lock is held.
const dlpack::ExchangeApi* exchange_api_of(const py::object& object) {
  static py::handle last_type;
  static const dlpack::ExchangeApi* last = nullptr;
  const py::handle type = reinterpret_cast<PyObject*>(Py_TYPE(object.ptr()));
  if (!last_type.is(type)) {
    last = exchange_api(type);
    if (last_type) last_type.dec_ref();
    last_type = type.inc_ref();  // so that no other type comes to lie where it does
  }
  return last;
}

// A tensor, and what keeps it alive.
struct Borrowed {
  dlpack::Tensor tensor;
  std::shared_ptr<void> owner;
};

// Takes the tensor out of the capsule that `object` exports. On a GPU, -1 asks the exporter for no synchronisation: the launch
// goes to the caller's own stream.
Borrowed import_capsule(const py::object& object) {
  const auto device = object.attr("__dlpack_device__")().cast<std::pair<int, int>>();
  const bool on_gpu = device.first == dlpack::kCuda || device.first == dlpack::kCudaManaged;
  py::object capsule = on_gpu ? object.attr("__dlpack__")(py::arg("stream") = -1) : object.attr("__dlpack__")();
  auto* managed = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (!managed) throw py::error_already_set();
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  return {managed->tensor, {managed, [](dlpack::ManagedTensor* tensor) {
                              if (tensor->deleter) tensor->deleter(tensor);
                            }}};
}

Borrowed import_tensor(const py::object& object) {
  const dlpack::ExchangeApi* api = exchange_api_of(object);
  if (!api) return import_capsule(object);
  Borrowed borrowed;
  if (api->borrow(object.ptr(), &borrowed.tensor) != 0) throw py::error_already_set();
  borrowed.owner = {object.inc_ref().ptr(), [](PyObject* held) { Py_DECREF(held); }};
  return borrowed;
}

std::vector<std::int64_t> packed_strides(const dlpack::Tensor& tensor) {
  std::vector<std::int64_t> strides(static_cast<std::size_t>(tensor.ndim));
  std::int64_t next = 1;
  for (std::size_t i = strides.size(); i-- > 0; next *= tensor.shape[i]) strides[i] = tensor.shape[i] == 1 ? 0 : next;
  return strides;
}

std::vector<std::int64_t> strides_of(const dlpack::Tensor& tensor) {
  const bool empty = std::find(tensor.shape, tensor.shape + tensor.ndim, 0) != tensor.shape + tensor.ndim;
  std::vector<std::int64_t> strides = packed_strides(tensor);
  if (!tensor.strides || empty) return strides;
  for (std::size_t i = 0; i < strides.size(); ++i) strides[i] = tensor.shape[i] == 1 ? 0 : tensor.strides[i];
  return strides;
}

}  // namespace

std::string describe(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Operand::Operand(const std::string& name, const py::object& object, Layout layout) : name_(name) {
  if (!exchange_api_of(object) && (!py::hasattr(object, "__dlpack__") || !py::hasattr(object, "__dlpack_device__"))) {
    reject("is a " + std::string(py::str(py::type::of(object).attr("__name__"))),
           "pass a torch tensor, a numpy array or another DLPack tensor");
  }
  Borrowed borrowed;
  try {
    borrowed = import_tensor(object);
  } catch (py::error_already_set& error) {
    reject("cannot be read by DLPack (" + std::string(py::str(error.value())) + ")", "pass a writable, detached, dense tensor");
  }
  const dlpack::Tensor& tensor = borrowed.tensor;
  owner_ = borrowed.owner;
  address_ = reinterpret_cast<std::uint64_t>(tensor.data) + tensor.byte_offset;
  element_bytes_ = tensor.type.bits / 8u;
  shape_.assign(tensor.shape, tensor.shape + tensor.ndim);
  const TypeEntry* entry = find(tensor.type);
  type_ = entry ? entry->type : ElementType::kOther;
  place_ = {tensor.device.type == dlpack::kCuda || tensor.device.type == dlpack::kCudaManaged, tensor.device.index};
  if (!place_.cuda && tensor.device.type != dlpack::kCpu && tensor.device.type != dlpack::kCudaHost) {
    reject("is on an unsupported kind of device", "move it to the CPU or a CUDA device");
  }
  strides_ = strides_of(tensor);
  if (layout == Layout::kPacked && strides_ != packed_strides(tensor))
    reject("is not contiguous", "pass a contiguous copy (tensor.contiguous(), numpy.ascontiguousarray)");
  const bool backwards = std::any_of(strides_.begin(), strides_.end(), [](std::int64_t stride) { return stride < 0; });
  if (backwards || (!strides_.empty() && strides_.back() > 1))
    reject("is not contiguous in its last dimension", "pass a contiguous copy (tensor.contiguous(), numpy.ascontiguousarray)");
  if (element_bytes_ && address_ % element_bytes_)
    reject("starts at an address that is no multiple of its " + std::to_string(element_bytes_) + " bytes an element",
           "pass a copy");
}

std::int64_t Operand::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape_) count *= extent;
  return count;
}

std::size_t Operand::bytes() const {
  if (elements() == 0) return 0;
  std::int64_t last = 0;
  for (std::size_t i = 0; i < shape_.size(); ++i) last += (shape_[i] - 1) * strides_[i];
  return static_cast<std::size_t>(last + 1) * element_bytes_;
}

void Operand::expect_type(std::initializer_list<ElementType> types, const char* remedy) const {
  if (std::find(types.begin(), types.end(), type_) == types.end()) {
    reject(std::string("holds ") + name_of(type_) + " where " + name_of(*types.begin()) + " is needed", remedy);
  }
}

void Operand::expect_shape(const std::vector<std::int64_t>& shape, const char* remedy) const {
  if (shape_ != shape) reject("has shape " + describe(shape_) + " where " + describe(shape) + " is needed", remedy);
}

void Operand::reject(const std::string& problem, const std::string& remedy) const {
  throw py::value_error("operand '" + name_ + "' " + problem + "; " + remedy);
}

}  // namespace immabench::bindings
