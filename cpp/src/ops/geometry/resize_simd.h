// The kernels of resizing: a weighted sum of rows, and of each output's range of a row.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

template <class A>
struct ResizeRows {
  /// dst[x] = sum over k < n of weights[k] * rows[k][x].
  void (*columns)(const A* const* rows, const A* weights, int64_t n, int64_t width, A* dst);
  /// dst[x] = sum over k < n of weights[k * width + x] * src[first[x] + k]. An element of weight 0 is ignored, even if
  /// it is NaN.
  void (*row)(const A* src, const int32_t* first, const A* weights, int64_t n, int64_t width, A* dst);
};

struct ResizeKernels {
  ResizeRows<float> f32;
  ResizeRows<double> f64;
};

}  // namespace fastcnn
FASTCNN_DECLARE_KERNELS(ResizeKernels, resize_kernels)
