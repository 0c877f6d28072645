// NumPy's side of cpp/bindings/front.h. No torch here: its headers and pybind11's clash under the stable-ABI macros.
#pragma once

#include <vector>

#include "bindings/front.h"
#include "bridge.h"

namespace fastcnn::python_bridge {

class NumpyFront {
 public:
  using Array = py::object;

  class Result {
   public:
    Result(const std::vector<int64_t>& shape, DType dtype, bool channels_last = false)
        : output_(shape, dtype, channels_last) {}
    const TensorView& view() const { return output_.view(); }
    py::object array() const { return output_.array(); }

   private:
    Output output_;
  };

  explicit NumpyFront(const char* op) : op_(op) {}

  TensorView view(const py::object& array, const char* argument) {
    inputs_.emplace_back(array, op_, argument);
    return inputs_.back().view();
  }
  std::optional<TensorView> view(const std::optional<py::object>& array, const char* argument) {
    if (!array) return std::nullopt;
    return view(*array, argument);
  }

  Result result(const std::vector<int64_t>& shape, DType dtype) const { return {shape, dtype}; }
  Result channels_last(const std::vector<int64_t>& shape, DType dtype) const { return {shape, dtype, true}; }
  /// NumPy's results are in C order.
  Result result_in_layout_of(const TensorView&, const std::vector<int64_t>& shape, DType dtype) const {
    return {shape, dtype};
  }
  static bool is_channels_last(const TensorView&) { return false; }

  template <class F>
  auto run(const F& f) const {
    py::gil_scoped_release release;
    return f(default_context());
  }
  template <class F>
  void run_on_device(const F& f) const {
    run(f);
  }

 private:
  const char* op_;
  // Views point into their vectors, whose memory stays where it is when an Input moves.
  std::vector<Input> inputs_;
};

}  // namespace fastcnn::python_bridge

// cpp/python/family.cpp.in, once for each family, uses these.
#define FASTCNN_BIND(name, schema) m.def(#name, &::fastcnn::bindings::name<::fastcnn::python_bridge::NumpyFront>);
#define FASTCNN_NOTHING(name, schema)
