#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

struct LayoutKernels {
  /// to[c * to_stride + r] = from[r * from_stride + c], float32.
  void (*transpose)(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
                    int64_t to_stride);
};

}  // namespace fastcnn

FASTCNN_DECLARE_KERNELS(LayoutKernels, layout_kernels)
