// Flat morphology: the minimum or maximum over a footprint.
#pragma once

#include <cstdint>

#include "fastcnn/border.h"
#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// A flat structuring element. Its origin is size / 2 along every axis (SciPy's).
struct Footprint {
  int64_t depth = 1, height = 1, width = 1;
  const uint8_t* mask = nullptr;  ///< C order, non-zero is a member; null: all are
};

/// dst[p] = min of src[p + q] over the members q of the footprint.
/// src (..., [D,] H, W) of any dtype and strides, dst dense of the same shape and dtype.
FASTCNN_API void erosion(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                         Border border, double value, const TensorView& dst);
/// dst[p] = max of src[p - q]: the footprint is reflected, so that opening and closing are idempotent.
FASTCNN_API void dilation(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                          Border border, double value, const TensorView& dst);

}  // namespace fastcnn
