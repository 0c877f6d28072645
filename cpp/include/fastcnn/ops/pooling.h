// Pooling: windows over the last one to three axes, as torch.nn.functional defines them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// The elements of a window. Windows are given by kernel, stride, padding and dilation, one number per spatial axis (1
/// to 3), or by `output_size` (adaptive): output o then covers [floor(o * in / out), ceil((o + 1) * in / out)).
struct Pooling {
  std::vector<int64_t> kernel, stride, padding, dilation;
  bool ceil_mode = false;  ///< round the output's size up; a window still has to start inside the image or left padding
  std::vector<int64_t> output_size;  ///< not empty: adaptive, and nothing above counts

  bool count_include_pad = true;            ///< means: padding counts in the divisor (ceil_mode's overhang never does)
  std::optional<int64_t> divisor_override;  ///< means: divides every sum; not 0

  int rank() const { return static_cast<int>(output_size.empty() ? kernel.size() : output_size.size()); }
};

/// The shape of the result for src (..., [[D,] H,] W). Checks every argument. `op` is the name without its rank
/// ("max_pool").
FASTCNN_API std::vector<int64_t> pooled_shape(const TensorView& src, const Pooling& pooling, const char* op);

// src (..., [[D,] H,] W) of any strides. dst and indices are dense, or channels_last if src is (N, C, spatial axes).
// That layout is fast if src has it too. The result does not depend on the number of threads.

/// The maximum of each window; NaN counts as the maximum. Every dtype.
FASTCNN_API void max_pool(const Context& context, const TensorView& src, const Pooling& pooling, const TensorView& dst);
/// indices: int64, flat within the plane; the first maximum in raster order, the last NaN; -1 if a window lies entirely
/// in the padding. The functions below ignore -1.
FASTCNN_API void max_pool_with_indices(const Context& context, const TensorView& src, const Pooling& pooling,
                                       const TensorView& dst, const TensorView& indices);
/// Each window's gradient goes to its maximum in src. Float dtypes; float16 and bfloat16 are summed in float32.
FASTCNN_API void max_pool_backward(const Context& context, const TensorView& grad, const TensorView& src,
                                   const Pooling& pooling, const TensorView& dst);

/// The mean of each window, summed in float32, or float64 for float64.
FASTCNN_API void avg_pool(const Context& context, const TensorView& src, const Pooling& pooling, const TensorView& dst);
/// The transposed operator; dst has the shape of the forward input.
FASTCNN_API void avg_pool_backward(const Context& context, const TensorView& grad, const Pooling& pooling,
                                   const TensorView& dst);

/// dst[indices[i]] = src[i], zero elsewhere, plane by plane: the inverse of max_pool_with_indices. For equal indices
/// the last in raster order counts. With `accumulate` (float dtypes) their sum counts, which is the gradient of
/// max_pool.
FASTCNN_API void max_unpool(const Context& context, const TensorView& src, const TensorView& indices, int spatial_dims,
                            bool accumulate, const TensorView& dst);
/// dst[i] = src[indices[i]], 0 for -1, plane by plane: the transpose of both.
FASTCNN_API void pool_gather(const Context& context, const TensorView& src, const TensorView& indices, int spatial_dims,
                             const TensorView& dst);

/// The oracles: read every window element by element, on dense tensors, with sums in float64.
FASTCNN_API void max_pool_ref(const TensorView& src, const Pooling& pooling, const TensorView& dst,
                              const TensorView& indices);
FASTCNN_API void max_pool_backward_ref(const TensorView& grad, const TensorView& src, const Pooling& pooling,
                                       const TensorView& dst);
FASTCNN_API void avg_pool_ref(const TensorView& src, const Pooling& pooling, const TensorView& dst);
FASTCNN_API void avg_pool_backward_ref(const TensorView& grad, const Pooling& pooling, const TensorView& dst);

}  // namespace fastcnn
