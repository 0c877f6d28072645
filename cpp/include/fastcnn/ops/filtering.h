// Linear filters.
#pragma once

#include <cstdint>
#include <vector>

#include "fastcnn/border.h"
#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// A Gaussian filter, as scipy.ndimage.gaussian_filter defines it: along every axis the taps exp(-x^2 / 2 sigma^2),
/// |x| <= int(truncate * sigma + 0.5), scaled to the sum 1. sigma 0 leaves an axis as it is.
struct GaussianBlur {
  std::vector<double> sigma;  ///< one per spatial axis, 2 or 3 of them: ([z,] y, x)
  double truncate = 4.0;
  Border border = Border::reflect;  ///< constant: zero outside. Kernels longer than the image continue it repeatedly.
};

/// src (..., [D,] H, W) of uint8, uint16, int16, int32 or a float dtype, any strides; dst dense, same shape and dtype.
/// Arithmetic is in float32, float64 for float64; integer results are rounded to nearest, ties to even.
FASTCNN_API void gaussian_blur(const Context& context, const TensorView& src, const GaussianBlur& blur,
                               const TensorView& dst);
/// The transposed operator, which is the gradient of gaussian_blur. Float dtypes only.
FASTCNN_API void gaussian_blur_backward(const Context& context, const TensorView& grad, const GaussianBlur& blur,
                                        const TensorView& dst);

/// The oracles: evaluate the border rule for every tap of every pixel, in float64. O(pixels x taps) per axis.
FASTCNN_API void gaussian_blur_ref(const Context& context, const TensorView& src, const GaussianBlur& blur,
                                   const TensorView& dst);
FASTCNN_API void gaussian_blur_backward_ref(const Context& context, const TensorView& grad, const GaussianBlur& blur,
                                            const TensorView& dst);

}  // namespace fastcnn
