// Distance transforms.
#pragma once

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// The exact Euclidean distance of every non-zero pixel to the nearest zero of its image; 0 at zeros.
/// src (..., [D,] H, W) of any dtype and strides (NaN is non-zero); sampling: the pixel's extent along every spatial
/// axis, or null for 1; dst dense, of src's shape:
///   float32  distances, rounded once from the exact integer square (from float64 with sampling); +inf where the image
///            has no zero;
///   int32    squared distances; an Error where one does not fit, or with sampling.
/// indices: null, or dense int64 (..., spatial_dims, [D,] H, W), the nearest zero's coordinates ([z,] y, x); -1 if
/// there is none. Among equally near zeros the first in C order is taken. No result depends on the number of threads or
/// the instruction set.
FASTCNN_API void distance_transform_edt(const Context& context, const TensorView& src, int spatial_dims,
                                        const double* sampling, const TensorView& dst, const TensorView* indices);
/// The oracle: checks every zero for every pixel. O(pixels x zeros).
FASTCNN_API void distance_transform_edt_ref(const Context& context, const TensorView& src, int spatial_dims,
                                            const double* sampling, const TensorView& dst, const TensorView* indices);

}  // namespace fastcnn
