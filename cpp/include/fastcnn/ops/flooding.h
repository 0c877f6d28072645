// The watershed.
#pragma once

#include <cstdint>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// Floods each image from its markers; cpp/src/ops/flooding/watershed.cpp has the definition.
/// image (..., [D,] H, W) of any dtype; markers of any integer dtype, mask (or null) of any dtype, both of image's
/// shape and of any strides; labels dense, of the markers' dtype. connectivity 1..spatial_dims, or 4, 8; 6, 18, 26.
/// compactness > 0: scikit-image's compact watershed, sequential. Fewer than 2^32 - 1 pixels an image.
FASTCNN_API void watershed(const Context& context, const TensorView& image, const TensorView& markers,
                           const TensorView* mask, int64_t connectivity, double compactness, bool watershed_line,
                           int spatial_dims, const TensorView& labels);

/// The oracle, by definition; no compactness.
FASTCNN_API void watershed_ref(const Context& context, const TensorView& image, const TensorView& markers,
                               const TensorView* mask, int64_t connectivity, bool watershed_line, int spatial_dims,
                               const TensorView& labels);

}  // namespace fastcnn
