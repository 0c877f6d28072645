// Regions of feature maps pooled to a fixed size. input (N, C, H, W) of any strides, rois (K, 5): the image's index,
// then x1, y1, x2, y2 in the input's coordinates times 1 / spatial_scale; dst (K, C, height, width). Floats; half
// precision computes in float32. rois may have another float dtype.
#pragma once

#include <cstdint>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// Averages of bilinear samples (He et al., 2017). sampling_ratio: samples of a bin along each axis; if it is 0 or
/// negative, one sample per pixel. aligned: pixel centres at .5.
struct RoiAlign {
  double spatial_scale = 1;
  int64_t sampling_ratio = -1;
  bool aligned = false;
};
FASTCNN_API void roi_align(const Context& context, const TensorView& input, const TensorView& rois,
                           const RoiAlign& options, const TensorView& dst);
/// dst: (N, C, H, W), dense.
FASTCNN_API void roi_align_backward(const Context& context, const TensorView& grad, const TensorView& rois,
                                    const RoiAlign& options, const TensorView& dst);

/// Maxima of bins (Girshick, 2015) and their positions. argmax (K, C, height, width) int32: y * W + x, or -1 if a bin
/// is empty (its maximum is 0) or has no value above the lowest number. Null if not needed.
FASTCNN_API void roi_pool(const Context& context, const TensorView& input, const TensorView& rois, double spatial_scale,
                          const TensorView& dst, const TensorView* argmax);
FASTCNN_API void roi_pool_backward(const Context& context, const TensorView& grad, const TensorView& rois,
                                   const TensorView& argmax, const TensorView& dst);

/// Position-sensitive pooling: bin (i, j) of output channel c reads only input channel (c * height + i) * width + j
/// (Dai et al., 2016, average of pixels; Li et al., 2017, average of samples). mapping: the channel that was read,
/// int32, dst's shape.
FASTCNN_API void ps_roi_align(const Context& context, const TensorView& input, const TensorView& rois,
                              double spatial_scale, int64_t sampling_ratio, const TensorView& dst,
                              const TensorView& mapping);
FASTCNN_API void ps_roi_align_backward(const Context& context, const TensorView& grad, const TensorView& rois,
                                       double spatial_scale, int64_t sampling_ratio, const TensorView& dst);
FASTCNN_API void ps_roi_pool(const Context& context, const TensorView& input, const TensorView& rois,
                             double spatial_scale, const TensorView& dst, const TensorView& mapping);
FASTCNN_API void ps_roi_pool_backward(const Context& context, const TensorView& grad, const TensorView& rois,
                                      double spatial_scale, const TensorView& dst);

}  // namespace fastcnn
