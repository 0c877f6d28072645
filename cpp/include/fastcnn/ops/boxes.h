// Axis-parallel boxes (x1, y1, x2, y2) and rotated ones (cx, cy, width, height, degrees counter-clockwise): overlaps
// and non-maximum suppression. Boxes and scores are floats of any strides; half precision computes in float32.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fastcnn/context.h"
#include "fastcnn/view.h"

namespace fastcnn {

/// Greedy non-maximum suppression: by falling score (NaN first, equal ones by index), a box is kept where no kept one
/// (of its class) overlaps it by more than the threshold. boxes (N, 4), scores (N), classes (N) integer or null.
/// Indices of the kept, in that order. A box of NaN, infinite, zero or negative extent overlaps none.
FASTCNN_API std::vector<int64_t> nms(const Context& context, const TensorView& boxes, const TensorView& scores,
                                     const TensorView* classes, double iou_threshold, const char* op = "nms");
/// The same by definition, box after box.
FASTCNN_API std::vector<int64_t> nms_ref(const Context& context, const TensorView& boxes, const TensorView& scores,
                                         const TensorView* classes, double iou_threshold);
/// For a batch, in a fixed shape: boxes (B, N, 4), scores (B, N), classes (B, N) or null; scores not above
/// score_threshold do not take part. indices (B, K) int64, the first K, -1 behind the last; counts (B) int64.
FASTCNN_API void nms_padded(const Context& context, const TensorView& boxes, const TensorView& scores,
                            const TensorView* classes, double iou_threshold, std::optional<double> score_threshold,
                            const TensorView& indices, const TensorView& counts);
/// Greedy suppression of rotated boxes (N, 5).
FASTCNN_API std::vector<int64_t> nms_rotated(const Context& context, const TensorView& boxes, const TensorView& scores,
                                             double iou_threshold);

/// What is left of boxes whose scores fall instead of being cut off.
struct ScoredBoxes {
  std::vector<int64_t> indices;
  std::vector<double> scores;
};
enum class Decay { linear, gaussian };
/// Bodla et al., 2017: the best box is taken, and the scores of all that are left are multiplied by 1 - IoU where it is
/// above the threshold (linear), or by exp(-IoU^2 / sigma) (gaussian). Ends below min_score.
FASTCNN_API ScoredBoxes soft_nms(const Context& context, const TensorView& boxes, const TensorView& scores,
                                 double iou_threshold, double sigma, Decay decay, double min_score);
/// Wang et al., 2020 (SOLOv2): every score falls by its overlaps with better boxes, each less where that one is itself
/// overlapped; all at once. Results above min_score, by falling score.
FASTCNN_API ScoredBoxes matrix_nms(const Context& context, const TensorView& boxes, const TensorView& scores,
                                   double sigma, Decay decay, double min_score);

enum class Overlap { iou, generalized, distance, complete };
/// All pairs: boxes1 (..., N, 4), boxes2 (..., M, 4), dst (..., N, M) of their dtype.
FASTCNN_API void box_overlaps(const Context& context, const TensorView& boxes1, const TensorView& boxes2, Overlap kind,
                              double eps, const TensorView& dst);
/// boxes1 (N, 5), boxes2 (M, 5), dst (N, M).
FASTCNN_API void box_iou_rotated(const Context& context, const TensorView& boxes1, const TensorView& boxes2,
                                 const TensorView& dst);
/// The extents of masks (..., H, W), non-zero inside: dst (..., 4) float32, x1 y1 x2 y2 as indices of the first and
/// last pixels; zeros where there are none.
FASTCNN_API void masks_to_boxes(const Context& context, const TensorView& masks, const TensorView& dst);

}  // namespace fastcnn
