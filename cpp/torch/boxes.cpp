#include "fastcnn/ops/boxes.h"

#include <algorithm>

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

Tensor indices_of(const Tensor& like, const std::vector<int64_t>& indices) {
  Tensor result = new_result(like, {static_cast<int64_t>(indices.size())}, ScalarType::Long);
  std::copy(indices.begin(), indices.end(), static_cast<int64_t*>(result.mutable_data_ptr()));
  return result;
}

Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  return indices_of(boxes, fastcnn::nms(context(), view(boxes), view(scores), nullptr, iou_threshold));
}

Tensor batched_nms(const Tensor& boxes, const Tensor& scores, const Tensor& idxs, double iou_threshold) {
  const TensorView classes = view(idxs);
  return indices_of(boxes, fastcnn::nms(context(), view(boxes), view(scores), &classes, iou_threshold, "batched_nms"));
}

Tensor nms_rotated(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  return indices_of(boxes, fastcnn::nms_rotated(context(), view(boxes), view(scores), iou_threshold));
}

std::tuple<Tensor, Tensor> nms_padded(const Tensor& boxes, const Tensor& scores, double iou_threshold,
                                      int64_t max_output, const std::optional<double>& score_threshold,
                                      const std::optional<Tensor>& classes) {
  FASTCNN_CHECK(max_output >= 0, "nms_padded: expected max_output of at least 0, got ", max_output);
  FASTCNN_CHECK(max_output <= INT32_MAX, "nms_padded: expected max_output of at most 2^31 - 1, got ", max_output);
  FASTCNN_CHECK(boxes.dim() == 3, "nms_padded: expected boxes of shape (B, N, 4), got ", shape_text(view(boxes)));
  const OptionalView keys(classes);
  Tensor indices = new_result(boxes, {boxes.size(0), max_output}, ScalarType::Long);
  Tensor counts = new_result(boxes, {boxes.size(0)}, ScalarType::Long);
  fastcnn::nms_padded(context(), view(boxes), view(scores), keys.pointer, iou_threshold, score_threshold, view(indices),
                      view(counts));
  return {indices, counts};
}

std::tuple<Tensor, Tensor> scored(const Tensor& scores, const ScoredBoxes& found) {
  Tensor values = new_result(scores, {static_cast<int64_t>(found.scores.size())}, ScalarType::Double);
  std::copy(found.scores.begin(), found.scores.end(), static_cast<double*>(values.mutable_data_ptr()));
  return {indices_of(scores, found.indices), values};
}

std::tuple<Tensor, Tensor> soft_nms(const Tensor& boxes, const Tensor& scores, double iou_threshold, double sigma,
                                    bool gaussian, double min_score) {
  return scored(scores, fastcnn::soft_nms(context(), view(boxes), view(scores), iou_threshold, sigma,
                                          gaussian ? Decay::gaussian : Decay::linear, min_score));
}

std::tuple<Tensor, Tensor> matrix_nms(const Tensor& boxes, const Tensor& scores, double sigma, bool gaussian,
                                      double min_score) {
  return scored(scores, fastcnn::matrix_nms(context(), view(boxes), view(scores), sigma,
                                            gaussian ? Decay::gaussian : Decay::linear, min_score));
}

Tensor box_overlaps(const Tensor& boxes1, const Tensor& boxes2, int64_t kind, double eps) {
  std::vector<int64_t> shape = shape_of(boxes1);
  FASTCNN_CHECK(shape.size() >= 2 && boxes2.dim() == boxes1.dim(),
                "box_iou: expected boxes1 (N, 4) and boxes2 (M, 4), ", "got ", shape_text(view(boxes1)), " and ",
                shape_text(view(boxes2)));
  shape.back() = boxes2.size(boxes2.dim() - 2);
  Tensor result = new_result(boxes1, shape, boxes1.scalar_type());
  fastcnn::box_overlaps(context(), view(boxes1), view(boxes2), static_cast<Overlap>(kind), eps, view(result));
  return result;
}

Tensor box_iou_rotated(const Tensor& boxes1, const Tensor& boxes2) {
  FASTCNN_CHECK(boxes1.dim() == 2 && boxes2.dim() == 2, "box_iou_rotated: expected boxes1 (N, 5) and boxes2 (M, 5), ",
                "got ", shape_text(view(boxes1)), " and ", shape_text(view(boxes2)));
  Tensor result = new_result(boxes1, {boxes1.size(0), boxes2.size(0)}, boxes1.scalar_type());
  fastcnn::box_iou_rotated(context(), view(boxes1), view(boxes2), view(result));
  return result;
}

Tensor masks_to_boxes(const Tensor& masks) {
  std::vector<int64_t> shape = shape_of(masks);
  FASTCNN_CHECK(shape.size() >= 2, "masks_to_boxes: expected masks of shape (..., H, W), got ",
                shape_text(view(masks)));
  shape.pop_back();
  shape.back() = 4;
  Tensor result = new_result(masks, shape, ScalarType::Float);
  fastcnn::masks_to_boxes(context(), view(masks), view(result));
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("nms(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor");
  m.def("batched_nms(Tensor boxes, Tensor scores, Tensor idxs, float iou_threshold) -> Tensor");
  m.def("nms_rotated(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor");
  m.def(
      "nms_padded(Tensor boxes, Tensor scores, float iou_threshold, SymInt max_output, float? score_threshold, Tensor? "
      "classes) -> (Tensor, Tensor)");
  m.def(
      "soft_nms(Tensor boxes, Tensor scores, float iou_threshold, float sigma, bool gaussian, float min_score) -> "
      "(Tensor, Tensor)");
  m.def("matrix_nms(Tensor boxes, Tensor scores, float sigma, bool gaussian, float min_score) -> (Tensor, Tensor)");
  m.def("box_overlaps(Tensor boxes1, Tensor boxes2, int kind, float eps) -> Tensor");
  m.def("box_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor");
  m.def("masks_to_boxes(Tensor masks) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("nms", FASTCNN_BOX(nms));
  m.impl("batched_nms", FASTCNN_BOX(batched_nms));
  m.impl("nms_rotated", FASTCNN_BOX(nms_rotated));
  m.impl("nms_padded", FASTCNN_BOX(nms_padded));
  m.impl("soft_nms", FASTCNN_BOX(soft_nms));
  m.impl("matrix_nms", FASTCNN_BOX(matrix_nms));
  m.impl("box_overlaps", FASTCNN_BOX(box_overlaps));
  m.impl("box_iou_rotated", FASTCNN_BOX(box_iou_rotated));
  m.impl("masks_to_boxes", FASTCNN_BOX(masks_to_boxes));
}

}  // namespace fastcnn::torch_bridge
