// Thresholds: one per image, or one per pixel.
#pragma once

#include <cstdint>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// A threshold per pixel: the weighted mean of the block around it minus an offset, as in
/// skimage.filters.threshold_local: the border is reflected; the Gaussian has sigma = (block_size - 1) / 6 and reaches
/// 4 sigma, beyond the block.
struct LocalThreshold {
  enum class Method { gaussian, mean };
  int64_t block_size = 35;  ///< odd, 1 to 32767
  Method method = Method::gaussian;
  double offset = 0.0;
};

/// "gaussian" or "mean"; an Error naming the op for another text.
FASTCNN_API LocalThreshold::Method local_method_from(const char* name, const char* op);

/// The dtype of an image's local threshold: float32, or float64 where the image's values need it (int32, float64).
FASTCNN_API DType local_threshold_dtype(DType image);

/// src (..., H, W) of uint8, uint16, int16, int32 or a float dtype, any strides; dst dense, of local_threshold_dtype.
/// Local means of integers are exact sums with one division.
FASTCNN_API void threshold_local(const Context& context, const TensorView& src, const LocalThreshold& threshold,
                                 const TensorView& dst);
/// The gradient of threshold_local. The filter is linear and, because the border is reflected, symmetric, so the
/// gradient is the same filter without the offset. grad and dst float32 or float64.
FASTCNN_API void threshold_local_backward(const Context& context, const TensorView& grad,
                                          const LocalThreshold& threshold, const TensorView& dst);
/// dst = src > threshold_local(src), bool, bit for bit, without storing the threshold.
FASTCNN_API void binarize_local(const Context& context, const TensorView& src, const LocalThreshold& threshold,
                                const TensorView& dst);

/// Otsu's threshold of each image: dst (...) has src's dtype and no spatial dimensions. As in
/// skimage.filters.threshold_otsu, integers use the exact histogram of their values, floats use `nbins` bins between
/// the minimum and the maximum. A constant image gives its value, an image with NaN or infinities gives NaN, and an
/// empty one gives NaN or 0.
FASTCNN_API void threshold_otsu(const Context& context, const TensorView& src, int spatial_dims, int64_t nbins,
                                const TensorView& dst);

/// The oracles.
FASTCNN_API void threshold_local_ref(const Context& context, const TensorView& src, const LocalThreshold& threshold,
                                     const TensorView& dst);
FASTCNN_API void threshold_otsu_ref(const Context& context, const TensorView& src, int spatial_dims, int64_t nbins,
                                    const TensorView& dst);

}  // namespace fastcnn
