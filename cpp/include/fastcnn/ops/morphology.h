// Flat morphology: the minimum or maximum over a footprint, and operations composed of both.
//
// src is (..., [D,] H, W) of any dtype that the core supports and any strides; dst is dense, of the same shape and
// dtype. NaN is the maximum value for dilation and the minimum value for erosion; -0 < +0. Results depend on neither
// the number of threads nor the instruction set.
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

/// dst[p] = min of src[p + q] over the members q of the footprint. A window without pixels gives the dtype's maximum
/// value (+inf for floats). `value` is the value outside the image for Border::constant; the dtype must be able to
/// represent it.
FASTCNN_API void erosion(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                         Border border, double value, const TensorView& dst);
/// dst[p] = max of src[p - q]: the footprint is reflected, so that opening and closing are idempotent. A window without
/// pixels gives the dtype's minimum value.
FASTCNN_API void dilation(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                          Border border, double value, const TensorView& dst);
/// Dilation of the erosion.
FASTCNN_API void opening(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                         Border border, double value, const TensorView& dst);
/// Erosion of the dilation.
FASTCNN_API void closing(const Context& context, const TensorView& src, int spatial_dims, const Footprint& footprint,
                         Border border, double value, const TensorView& dst);
/// Dilation minus erosion, saturated to the dtype (bool: dilation and not erosion).
FASTCNN_API void morphological_gradient(const Context& context, const TensorView& src, int spatial_dims,
                                        const Footprint& footprint, Border border, double value, const TensorView& dst);

/// The positions of the erosion's values: dst (int64, the shape of src) is the index, within its image, of the first
/// pixel in raster order that has the minimum, or -1 if the minimum is the border value. src is a float.
FASTCNN_API void erosion_index(const Context& context, const TensorView& src, int spatial_dims,
                               const Footprint& footprint, Border border, double value, const TensorView& dst);
FASTCNN_API void dilation_index(const Context& context, const TensorView& src, int spatial_dims,
                                const Footprint& footprint, Border border, double value, const TensorView& dst);

/// The same by definition, for tests: looks up every member for every pixel.
FASTCNN_API void erosion_ref(const Context& context, const TensorView& src, int spatial_dims,
                             const Footprint& footprint, Border border, double value, const TensorView& dst);
FASTCNN_API void dilation_ref(const Context& context, const TensorView& src, int spatial_dims,
                              const Footprint& footprint, Border border, double value, const TensorView& dst);

}  // namespace fastcnn
