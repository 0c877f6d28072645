// Resizing and warping. Warps place pixel centres at integer coordinates; resizing keeps the corners of the image in
// place (half-pixel centres).
#pragma once

#include <cstdint>
#include <optional>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// Names as in torch.nn.functional.interpolate: `nearest` takes floor(i * scale), `nearest_exact` the pixel under the
/// centre.
enum class Interpolation { nearest, nearest_exact, bilinear, bicubic };

FASTCNN_API Interpolation interpolation_from(const char* name, const char* op);

struct Resize {
  Interpolation mode = Interpolation::bilinear;
  bool antialias = false;  ///< bilinear and bicubic: where the result is smaller, average over its pixels' width
};

/// Resizes src (..., H, W) to dst (..., h, w), dense, of the same dtype. The nearest modes take every dtype, the others
/// uint8, uint16, int16, int32 and floats. Arithmetic is in float32, or float64 for float64; integers are rounded, ties
/// to even.
FASTCNN_API void resize(const Context& context, const TensorView& src, const Resize& options, const TensorView& dst);
/// The transposed operator: grad (..., h, w) to dst (..., H, W). Float dtypes.
FASTCNN_API void resize_backward(const Context& context, const TensorView& grad, const Resize& options,
                                 const TensorView& dst);

struct Warp {
  Interpolation mode = Interpolation::bilinear;  ///< nearest (= nearest_exact) or bilinear
  double fill = 0;                               ///< outside of the image
};

/// dst at (x, y) is src at map * (x, y, 1). maps (N, 2, 3) float64, dense: plane i of src (..., H, W) has map
/// i * N / planes. dst (..., h, w), dense; dtypes as of resize.
FASTCNN_API void warp_affine(const Context& context, const TensorView& src, const TensorView& maps, const Warp& options,
                             const TensorView& dst);
/// The gradient of src, the transposed operator: grad (..., h, w) to dst (..., H, W). Float dtypes.
FASTCNN_API void warp_affine_backward(const Context& context, const TensorView& grad, const TensorView& maps,
                                      const Warp& options, const TensorView& dst);
/// The gradient of the maps: dst like maps. grad (..., h, w) and src (..., H, W) of one float dtype.
FASTCNN_API void warp_affine_backward_maps(const Context& context, const TensorView& grad, const TensorView& src,
                                           const TensorView& maps, const Warp& options, const TensorView& dst);

}  // namespace fastcnn
