// What all adapters share. An adapter, cpp/bindings/<family>.h, says which arrays an op takes and which results it
// makes: a template over the front, of which there are two, cpp/torch/front.h and cpp/python/front.h. A front has
//
//   Array                           what comes in and goes out: a tensor, a Python object
//   Front front("watershed")        for one call of an op
//   front.view(array, "image")      its view, which lives as long as the front; of a std::optional one too
//   front.result(shape, dtype)      a new dense result on the device of the first array that was viewed; .view(),
//   .array() front.result_in_layout_of(view, shape, dtype)    for ops whose results are channels-last where their input
//   is front.channels_last(shape, dtype) front.contiguous(array)         the array, or a dense copy front.run(f)
//   f(context), on the CPU, without Python's lock front.run_on_device(f)          the same where the array is, for ops
//   whose core function has a CUDA kernel
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

/// For core functions that take a pointer, null where an argument is missing.
inline const TensorView* pointer(const std::optional<TensorView>& view) { return view ? &*view : nullptr; }

/// A result that holds these values.
template <class Front, class T>
auto filled(const Front& front, const Sizes& shape, DType dtype, const std::vector<T>& values) {
  const auto result = front.result(shape, dtype);
  std::copy(values.begin(), values.end(), result.view().template as<T>());
  return result.array();
}

}  // namespace fastcnn::bindings
