#include "bindings/front.h"
#include "fastcnn/ops/boxes.h"

namespace fastcnn::bindings {

template <class Front>
auto indices_of(const Front& front, const std::vector<int64_t>& indices) {
  return filled(front, {static_cast<int64_t>(indices.size())}, DType::int64, indices);
}

template <class Front, class Array = typename Front::Array>
Array nms(const Array& boxes, const Array& scores, double iou_threshold) {
  Front front("nms");
  const auto b = front.view(boxes, "boxes"), s = front.view(scores, "scores");
  return indices_of(
      front, front.run([&](const Context& context) { return fastcnn::nms(context, b, s, nullptr, iou_threshold); }));
}

template <class Front, class Array = typename Front::Array>
Array batched_nms(const Array& boxes, const Array& scores, const Array& idxs, double iou_threshold) {
  Front front("batched_nms");
  const auto b = front.view(boxes, "boxes"), s = front.view(scores, "scores"), classes = front.view(idxs, "idxs");
  return indices_of(front, front.run([&](const Context& context) {
    return fastcnn::nms(context, b, s, &classes, iou_threshold, "batched_nms");
  }));
}

template <class Front, class Array = typename Front::Array>
Array nms_rotated(const Array& boxes, const Array& scores, double iou_threshold) {
  Front front("nms_rotated");
  const auto b = front.view(boxes, "boxes"), s = front.view(scores, "scores");
  return indices_of(
      front, front.run([&](const Context& context) { return fastcnn::nms_rotated(context, b, s, iou_threshold); }));
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> nms_padded(const Array& boxes, const Array& scores, double iou_threshold, int64_t max_output,
                                    const std::optional<double>& score_threshold, const std::optional<Array>& classes) {
  constexpr char op[] = "nms_padded";
  Front front(op);
  const auto b = front.view(boxes, "boxes"), s = front.view(scores, "scores");
  const auto keys = front.view(classes, "classes");
  FASTCNN_CHECK(max_output >= 0, op, ": expected max_output of at least 0, got ", max_output);
  FASTCNN_CHECK(max_output <= INT32_MAX, op, ": expected max_output of at most 2^31 - 1, got ", max_output);
  FASTCNN_CHECK(b.ndim == 3, op, ": expected boxes of shape (B, N, 4), got ", shape_text(b));
  const auto indices = front.result({b.shape[0], max_output}, DType::int64);
  const auto counts = front.result({b.shape[0]}, DType::int64);
  front.run([&](const Context& context) {
    fastcnn::nms_padded(context, b, s, pointer(keys), iou_threshold, score_threshold, indices.view(), counts.view());
  });
  return {indices.array(), counts.array()};
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> scored(const Front& front, const ScoredBoxes& found) {
  return {indices_of(front, found.indices),
          filled(front, {static_cast<int64_t>(found.scores.size())}, DType::float64, found.scores)};
}

inline Decay decay_of(bool gaussian) { return gaussian ? Decay::gaussian : Decay::linear; }

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> soft_nms(const Array& boxes, const Array& scores, double iou_threshold, double sigma,
                                  bool gaussian, double min_score) {
  Front front("soft_nms");
  const auto b = front.view(boxes, "boxes"), s = front.view(scores, "scores");
  return scored(front, front.run([&](const Context& context) {
    return fastcnn::soft_nms(context, b, s, iou_threshold, sigma, decay_of(gaussian), min_score);
  }));
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> matrix_nms(const Array& boxes, const Array& scores, double sigma, bool gaussian,
                                    double min_score) {
  Front front("matrix_nms");
  const auto b = front.view(boxes, "boxes"), s = front.view(scores, "scores");
  return scored(front, front.run([&](const Context& context) {
    return fastcnn::matrix_nms(context, b, s, sigma, decay_of(gaussian), min_score);
  }));
}

template <class Front, class Array = typename Front::Array>
Array box_overlaps(const Array& boxes1, const Array& boxes2, int64_t kind, double eps) {
  Front front("box_iou");
  const auto a = front.view(boxes1, "boxes1"), b = front.view(boxes2, "boxes2");
  FASTCNN_CHECK(a.ndim >= 2 && b.ndim == a.ndim, "box_iou: expected boxes1 (N, 4) and boxes2 (M, 4), got ",
                shape_text(a), " and ", shape_text(b));
  Sizes shape = shape_of(a);
  shape.back() = b.shape[b.ndim - 2];
  const auto result = front.result(shape, dtype_of(a));
  front.run([&](const Context& context) {
    fastcnn::box_overlaps(context, a, b, static_cast<Overlap>(kind), eps, result.view());
  });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array box_iou_rotated(const Array& boxes1, const Array& boxes2) {
  Front front("box_iou_rotated");
  const auto a = front.view(boxes1, "boxes1"), b = front.view(boxes2, "boxes2");
  FASTCNN_CHECK(a.ndim == 2 && b.ndim == 2, "box_iou_rotated: expected boxes1 (N, 5) and boxes2 (M, 5), got ",
                shape_text(a), " and ", shape_text(b));
  const auto result = front.result({a.shape[0], b.shape[0]}, dtype_of(a));
  front.run([&](const Context& context) { fastcnn::box_iou_rotated(context, a, b, result.view()); });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array masks_to_boxes(const Array& masks) {
  Front front("masks_to_boxes");
  const auto src = front.view(masks, "masks");
  FASTCNN_CHECK(src.ndim >= 2, "masks_to_boxes: expected masks of shape (..., H, W), got ", shape_text(src));
  Sizes shape = shape_of(src);
  shape.pop_back();
  shape.back() = 4;
  const auto result = front.result(shape, DType::float32);
  front.run([&](const Context& context) { fastcnn::masks_to_boxes(context, src, result.view()); });
  return result.array();
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                          \
  OP(nms, "(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")                                             \
  OP(batched_nms, "(Tensor boxes, Tensor scores, Tensor idxs, float iou_threshold) -> Tensor")                        \
  OP(nms_rotated, "(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")                                     \
  OP(nms_padded,                                                                                                      \
     "(Tensor boxes, Tensor scores, float iou_threshold, SymInt max_output, float? score_threshold, Tensor? classes)" \
     " -> (Tensor, Tensor)")                                                                                          \
  OP(soft_nms,                                                                                                        \
     "(Tensor boxes, Tensor scores, float iou_threshold, float sigma, bool gaussian, float min_score) -> "            \
     "(Tensor, Tensor)")                                                                                              \
  OP(matrix_nms, "(Tensor boxes, Tensor scores, float sigma, bool gaussian, float min_score) -> (Tensor, Tensor)")    \
  OP(box_overlaps, "(Tensor boxes1, Tensor boxes2, int kind, float eps) -> Tensor")                                   \
  OP(box_iou_rotated, "(Tensor boxes1, Tensor boxes2) -> Tensor")                                                     \
  OP(masks_to_boxes, "(Tensor masks) -> Tensor")
