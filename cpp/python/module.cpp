// The module fastcnn._core.
#include "bridge.h"
#include "core/cpu.h"
#include "core/dtypes.h"

namespace fastcnn::python_bridge {

namespace {

std::vector<Binder>& binders() {
  static std::vector<Binder> all;
  return all;
}

DataType data_type_of(const py::dtype& dtype) {
  if (dtype.itemsize() > 16) return {};
  const auto bits = static_cast<uint8_t>(dtype.itemsize() * 8);
  switch (dtype.kind()) {
    case 'b': return {6, bits, 1};
    case 'i': return {0, bits, 1};
    case 'u': return {1, bits, 1};
    case 'f': return {2, bits, 1};
    case 'c': return {5, bits, 1};
    default: return {};
  }
}

/// A result of an unknown dtype is never written: the op rejects its argument.
py::dtype numpy_dtype(DType dtype) {
  return py::dtype(dtype == DType::boolean ? "bool" : dtype == DType::undefined ? "V1" : name_of(dtype));
}

}  // namespace

void add_binder(Binder binder) { binders().push_back(binder); }

Input::Input(const py::object& array, const char* op, const char* argument) {
  FASTCNN_CHECK_TYPE(py::isinstance<py::array>(array), op, ": expected ", argument, " to be a NumPy array, got ",
                     py::str(py::type::of(array).attr("__name__")).cast<std::string>());
  array_ = py::reinterpret_borrow<py::array>(array);
  DataType type = data_type_of(array_.dtype());
  // Dtypes that are not numeric. The op reports other unsupported dtypes itself.
  if (type.bits == 0) refuse(AllTypes{}, op, argument, py::str(array_.dtype()).cast<std::string>());
  const auto item = static_cast<py::ssize_t>(array_.itemsize());
  bool usable =
      array_.dtype().byteorder() != '>' && reinterpret_cast<uintptr_t>(array_.data()) % static_cast<size_t>(item) == 0;
  for (py::ssize_t d = 0; d < array_.ndim(); ++d) usable = usable && array_.strides(d) % item == 0;
  if (!usable) {
    const py::object numpy = py::module_::import("numpy");
    array_ = numpy.attr("array")(array_, array_.dtype().attr("newbyteorder")("="), py::arg("order") = "C");
  }
  for (py::ssize_t d = 0; d < array_.ndim(); ++d) {
    shape_.push_back(array_.shape(d));
    strides_.push_back(array_.strides(d) / item);
  }
  view_.data = const_cast<void*>(array_.data());
  view_.ndim = static_cast<int32_t>(shape_.size());
  view_.dtype = type;
  view_.shape = shape_.data();
  view_.strides = strides_.data();
}

Output::Output(const std::vector<int64_t>& shape, DType dtype, bool channels_last)
    : shape_(shape), strides_(shape.size()) {
  int64_t step = 1;
  const auto add = [&](size_t axis) {
    strides_[axis] = step;
    step *= std::max<int64_t>(shape_[axis], 1);
  };
  if (channels_last) add(1);
  for (size_t axis = shape.size(); axis-- > 0;)
    if (!channels_last || axis != 1) add(axis);
  const py::dtype type = numpy_dtype(dtype);
  std::vector<py::ssize_t> bytes(strides_.begin(), strides_.end());
  for (auto& stride : bytes) stride *= type.itemsize();
  array_ = py::array(type, std::vector<py::ssize_t>(shape.begin(), shape.end()), bytes);
  view_.data = array_.mutable_data();
  view_.ndim = static_cast<int32_t>(shape_.size());
  view_.dtype = data_type(dtype);
  view_.shape = shape_.data();
  view_.strides = channels_last ? strides_.data() : nullptr;
}

}  // namespace fastcnn::python_bridge

PYBIND11_MODULE(_core, m) {
  namespace py = pybind11;
  using namespace fastcnn;
  m.doc() = "fastcnn's core on NumPy arrays. Use fastcnn.ops.";

  static py::object argument_error = py::module_::import("fastcnn._errors").attr("ArgumentError");
  static py::object backend_error = py::module_::import("fastcnn._errors").attr("BackendError");
  py::register_exception_translator([](std::exception_ptr pending) {
    try {
      if (pending) std::rethrow_exception(pending);
    } catch (const Error& error) {
      PyObject* type = error.kind() == ErrorKind::argument ? argument_error.ptr()
                       : error.kind() == ErrorKind::type   ? PyExc_TypeError
                       : error.kind() == ErrorKind::memory ? PyExc_MemoryError
                                                           : backend_error.ptr();
      PyErr_SetString(type, error.what());
    }
  });

  m.def("version", version);
  m.def("set_num_threads", set_num_threads);
  m.def("get_num_threads", get_num_threads);
  m.def("release_scratch", release_scratch);
  m.def("take_peak_scratch", take_peak_scratch);
  m.def("isas", [] {
    std::vector<std::string> available;
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::neon})
      if (is_available(isa)) available.emplace_back(name_of(isa));
    return available;
  });
  m.def("running_isa", running_isa);
  for (const auto binder : python_bridge::binders()) binder(m);
}
