#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

template <class T>
struct WeightGradKernels {
  int64_t channels;  ///< of a tile
  int64_t filters;
  /// tile[c][f] += sum over the pixels of all rows of x[c] * grad[f]; a row whose x is null is left out. x_step:
  /// elements between the pixels of x; those of grad are `filters` apart.
  void (*accumulate)(const T* const* x_rows, const T* const* grad_rows, int64_t rows, int64_t width, int64_t x_step,
                     T* tile);
  /// sum[c] += sum over a row's pixels of x[c] * grad[c], for depthwise convolutions.
  void (*depthwise)(const T* x, int64_t x_step, const T* grad, int64_t grad_step, int64_t width, int64_t channels,
                    T* sum);
};

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(WeightGradKernels<float>, weight_grad_f32)
FASTCNN_DECLARE_KERNELS(WeightGradKernels<double>, weight_grad_f64)
