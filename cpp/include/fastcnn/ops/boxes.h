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

/// Greedy non-maximum suppression in order of decreasing score (NaN first, equal scores by index). A box is kept if no
/// kept box (of its class) overlaps it by more than the threshold. boxes (N, 4), scores (N), classes (N) integer or
/// null. Returns the indices of the kept boxes in that order. A box with NaN, infinite, zero or negative extent
/// overlaps no other box.
FASTCNN_API std::vector<int64_t> nms(const Context& context, const TensorView& boxes, const TensorView& scores,
                                     const TensorView* classes, double iou_threshold, const char* op = "nms");
/// The same by definition, one box at a time.
FASTCNN_API std::vector<int64_t> nms_ref(const Context& context, const TensorView& boxes, const TensorView& scores,
                                         const TensorView* classes, double iou_threshold);
/// The same for a batch, with a fixed output shape. boxes (B, N, 4), scores (B, N), classes (B, N) or null; boxes whose
/// score is not above score_threshold are ignored. indices (B, K) int64: the first K, filled up with -1; counts (B)
/// int64.
FASTCNN_API void nms_padded(const Context& context, const TensorView& boxes, const TensorView& scores,
                            const TensorView* classes, double iou_threshold, std::optional<double> score_threshold,
                            const TensorView& indices, const TensorView& counts);
/// Greedy suppression of rotated boxes (N, 5).
FASTCNN_API std::vector<int64_t> nms_rotated(const Context& context, const TensorView& boxes, const TensorView& scores,
                                             double iou_threshold);

/// The result of a suppression that lowers scores instead of removing boxes.
struct ScoredBoxes {
  std::vector<int64_t> indices;
  std::vector<double> scores;
};
enum class Decay { linear, gaussian };
/// Soft NMS (Bodla et al., 2017): takes the best box and multiplies the scores of all remaining boxes by 1 - IoU if the
/// IoU is above the threshold (linear), or by exp(-IoU^2 / sigma) (gaussian). Stops below min_score.
FASTCNN_API ScoredBoxes soft_nms(const Context& context, const TensorView& boxes, const TensorView& scores,
                                 double iou_threshold, double sigma, Decay decay, double min_score);
/// Matrix NMS (Wang et al., 2020, SOLOv2): lowers every score by the overlaps with better boxes, all at once. An
/// overlap has less effect if the better box is overlapped itself. Returns scores above min_score in decreasing order.
FASTCNN_API ScoredBoxes matrix_nms(const Context& context, const TensorView& boxes, const TensorView& scores,
                                   double sigma, Decay decay, double min_score);

enum class Overlap { iou, generalized, distance, complete };
/// All pairs: boxes1 (..., N, 4), boxes2 (..., M, 4), dst (..., N, M) of their dtype.
FASTCNN_API void box_overlaps(const Context& context, const TensorView& boxes1, const TensorView& boxes2, Overlap kind,
                              double eps, const TensorView& dst);
/// boxes1 (N, 5), boxes2 (M, 5), dst (N, M).
FASTCNN_API void box_iou_rotated(const Context& context, const TensorView& boxes1, const TensorView& boxes2,
                                 const TensorView& dst);
/// The bounding boxes of masks (..., H, W), non-zero inside. dst (..., 4) float32: x1 y1 x2 y2 are the indices of the
/// first and last pixels, or zeros for an empty mask.
FASTCNN_API void masks_to_boxes(const Context& context, const TensorView& masks, const TensorView& dst);

}  // namespace fastcnn
