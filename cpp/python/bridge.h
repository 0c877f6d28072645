// From NumPy to the core. No torch here: its headers and pybind11's clash under the stable-ABI macros.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/error.h"
#include "fastcnn/view.h"

namespace fastcnn::python_bridge {

namespace py = pybind11;

/// An argument with any strides. It is copied only if the core cannot read NumPy's layout (foreign byte order,
/// misaligned).
class Input {
 public:
  Input(const py::object& array, const char* op, const char* argument);
  const TensorView& view() const { return view_; }
  const py::array& array() const { return array_; }
  std::vector<int64_t> shape() const { return shape_; }

 private:
  py::array array_;
  std::vector<int64_t> shape_, strides_;
  TensorView view_;
};

/// A dense uninitialised result. With `channels_last`, of shape (N, C, spatial...), a view of (N, spatial..., C).
class Output {
 public:
  Output(const std::vector<int64_t>& shape, DType dtype, bool channels_last = false);
  const TensorView& view() const { return view_; }
  py::array array() const { return array_; }

 private:
  std::vector<int64_t> shape_, strides_;
  py::array array_;
  TensorView view_;
};

/// Runs a kernel without the GIL.
template <class F>
void release_gil(const F& kernel) {
  py::gil_scoped_release release;
  kernel();
}

/// One file per family registers its functions through FASTCNN_BINDINGS(m) { m.def(...); }.
using Binder = void (*)(py::module_&);
void add_binder(Binder binder);
struct BinderRegistration {
  explicit BinderRegistration(Binder binder) { add_binder(binder); }
};

}  // namespace fastcnn::python_bridge

#define FASTCNN_BINDINGS(m)                                                                         \
  static void fastcnn_bindings(pybind11::module_& m);                                               \
  static const ::fastcnn::python_bridge::BinderRegistration fastcnn_registration(fastcnn_bindings); \
  static void fastcnn_bindings([[maybe_unused]] pybind11::module_& m)
