#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

template <class T>
struct WeightGradKernels {
  int64_t channels;  ///< of a tile
  int64_t filters;
  /// tile[c][f] += sum over the pixels of all rows of x[c] * grad[f], or = if `fresh`. Row r of x starts at offsets[r]
  /// and is omitted if that is negative; its pixels have the distance x_step. grad is dense.
  void (*accumulate)(const T* x, const int64_t* offsets, int64_t x_step, const T* grad, int64_t rows, int64_t width,
                     bool fresh, T* tile);
  /// A row's pixels, cut into panels of a tile's channels or filters, `panel` apart.
  void (*pack_channels)(const T* from, int64_t step, int64_t count, int64_t panels, int64_t panel, T* to);
  void (*pack_filters)(const T* from, int64_t step, int64_t count, int64_t panels, int64_t panel, T* to);
  /// sum[c] += sum over a row's pixels of x[c] * grad[c], for depthwise convolutions.
  void (*depthwise)(const T* x, int64_t x_step, const T* grad, int64_t grad_step, int64_t width, int64_t channels,
                    T* sum);
};

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(WeightGradKernels<float>, weight_grad_f32)
FASTCNN_DECLARE_KERNELS(WeightGradKernels<double>, weight_grad_f64)
