// Shared by all adapters. An adapter, cpp/bindings/<family>.h, defines the arrays that an op takes and the results that
// it returns. It is a template over the front. There are two fronts, cpp/torch/front.h and cpp/python/front.h. A front
// has
//
//   Array                              the type of arguments and results: a tensor, a Python object
//   Front front("watershed")           for one call of an op
//   front.view(array, "image")         its view, valid as long as the front; also takes a std::optional
//   front.result(shape, dtype)         a new dense result on the device of the first viewed array; .view(), .array()
//   front.result_in_layout_of(view, shape, dtype)
//                                      for ops whose results are channels-last if their input is
//   front.channels_last(shape, dtype)  a new channels-last result
//   front.contiguous(array)            the array, or a dense copy
//   front.run(f)                       calls f(context) on the CPU, without Python's lock
//   front.run_on_device(f)             the same on the array's device, for ops whose core function has a CUDA kernel
//
// FASTCNN_OPS lists the family's ops: OP for both fronts, TORCH_OP for torch alone (derivatives), DEVICE_OP for both,
// on CUDA too. A schema is torch's: https://docs.pytorch.org/docs/stable/library.html
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/error.h"
#include "fastcnn/view.h"

namespace fastcnn::bindings {

using Sizes = std::vector<int64_t>;

inline Sizes shape_of(const TensorView& view) { return {view.shape, view.shape + view.ndim}; }

/// For core functions that take a pointer: null if an argument is missing.
inline const TensorView* pointer(const std::optional<TensorView>& view) { return view ? &*view : nullptr; }

/// A result with these values.
template <class Front, class T>
auto filled(const Front& front, const Sizes& shape, DType dtype, const std::vector<T>& values) {
  const auto result = front.result(shape, dtype);
  std::copy(values.begin(), values.end(), result.view().template as<T>());
  return result.array();
}

}  // namespace fastcnn::bindings
