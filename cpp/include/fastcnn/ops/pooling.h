// Pooling: windows over the last one to three axes, as torch.nn.functional defines them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// Which elements a window holds. Windows are given by kernel, stride, padding and dilation, one number per spatial
/// axis (1 to 3), or by `output_size` (adaptive): output o then covers [floor(o * in / out), ceil((o + 1) * in / out)).
struct Pooling {
  std::vector<int64_t> kernel, stride, padding, dilation;
  bool ceil_mode = false;  ///< round the output's size up; a window still has to start inside the image or left padding
  std::vector<int64_t> output_size;  ///< not empty: adaptive, and nothing above counts

  bool count_include_pad = true;            ///< means: padding counts in the divisor (ceil_mode's overhang never does)
  std::optional<int64_t> divisor_override;  ///< means: divides every sum; not 0

  int rank() const { return static_cast<int>(output_size.empty() ? kernel.size() : output_size.size()); }
};

/// The result's shape for src (..., [[D,] H,] W). Checks every argument. `op` without its rank ("max_pool") names it.
FASTCNN_API std::vector<int64_t> pooled_shape(const TensorView& src, const Pooling& pooling, const char* op);

// src (..., [[D,] H,] W) of any strides. dst, and indices with it: dense, or channels_last where src is (N, C, spatial
// axes); that layout is fast where src has it too. The result does not depend on the number of threads.

/// The maximum of each window; NaN is the greatest. Every dtype.
FASTCNN_API void max_pool(const Context& context, const TensorView& src, const Pooling& pooling, const TensorView& dst);
/// indices: int64, flat within the plane; the first maximum in raster order, the last NaN; -1 where a window lies
/// wholly in the padding, which the functions below pass over.
FASTCNN_API void max_pool_with_indices(const Context& context, const TensorView& src, const Pooling& pooling,
                                       const TensorView& dst, const TensorView& indices);
/// Each window's gradient goes to its maximum in src. Float dtypes; float16 and bfloat16 are summed in float32.
FASTCNN_API void max_pool_backward(const Context& context, const TensorView& grad, const TensorView& src,
                                   const Pooling& pooling, const TensorView& dst);

/// The mean of each window, summed in float32, or float64 for float64.
FASTCNN_API void avg_pool(const Context& context, const TensorView& src, const Pooling& pooling, const TensorView& dst);
/// Its transpose; dst's shape is the forward's input.
FASTCNN_API void avg_pool_backward(const Context& context, const TensorView& grad, const Pooling& pooling,
                                   const TensorView& dst);

/// dst is zero but for dst[indices[i]] = src[i], plane by plane: the inverse of max_pool_with_indices. Where indices
/// meet, the last in raster order counts, or their sum with `accumulate` (float dtypes): the gradient of max_pool.
FASTCNN_API void max_unpool(const Context& context, const TensorView& src, const TensorView& indices, int spatial_dims,
                            bool accumulate, const TensorView& dst);
/// dst[i] = src[indices[i]], 0 for -1, plane by plane: the transpose of both.
FASTCNN_API void pool_gather(const Context& context, const TensorView& src, const TensorView& indices, int spatial_dims,
                             const TensorView& dst);

/// The oracles: every window element by element, on dense tensors, sums in float64.
FASTCNN_API void max_pool_ref(const TensorView& src, const Pooling& pooling, const TensorView& dst,
                              const TensorView& indices);
FASTCNN_API void max_pool_backward_ref(const TensorView& grad, const TensorView& src, const Pooling& pooling,
                                       const TensorView& dst);
FASTCNN_API void avg_pool_ref(const TensorView& src, const Pooling& pooling, const TensorView& dst);
FASTCNN_API void avg_pool_backward_ref(const TensorView& grad, const Pooling& pooling, const TensorView& dst);

}  // namespace fastcnn
