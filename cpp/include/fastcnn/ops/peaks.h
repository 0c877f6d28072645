// Local extrema of images (..., [D,] H, W) of any dtype and strides, and the peaks among them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// Finds connected sets of pixels of one value whose neighbours are all lower (higher for minima), at the border too. A
/// constant image has none. NaN is never an extremum, and counts as lower (higher for minima). connectivity:
/// 1..spatial_dims, or 4, 8; 6, 18, 26. dst: dense bool of src's shape.
FASTCNN_API void local_maxima(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
                              const TensorView& dst);
FASTCNN_API void local_minima(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
                              const TensorView& dst);
FASTCNN_API void local_maxima_ref(const Context& context, const TensorView& src, int64_t connectivity, int spatial_dims,
                                  const TensorView& dst);

struct Peaks {
  int64_t min_distance = 1;             ///< Chebyshev distance of a peak to a higher pixel and to another peak
  std::optional<double> threshold_abs;  ///< peaks are above it; without one, above the image's least value
  int spatial_dims = 2;
};

/// Finds the pixels that are the maximum within min_distance along every axis, sorted by decreasing value, then by
/// index. Among equal pixels nearer than min_distance the first is kept. With labels (integer, of src's shape) each
/// label is searched separately. Returns rows of src.ndim coordinates, image by image.
FASTCNN_API std::vector<int64_t> peak_local_max(const Context& context, const TensorView& src, const Peaks& options,
                                                const TensorView* labels);
/// The same with a fixed output shape: coordinates (batch..., K, spatial_dims) int64, filled up with -1; counts
/// (batch...) int64, at most K.
FASTCNN_API void peak_local_max_padded(const Context& context, const TensorView& src, const Peaks& options,
                                       const TensorView* labels, const TensorView& coordinates,
                                       const TensorView& counts);

}  // namespace fastcnn
