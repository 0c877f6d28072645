#include "fastcnn/ops/boxes.h"

#include <algorithm>

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

py::array indices_of(const std::vector<int64_t>& indices) {
  const Output dst({static_cast<int64_t>(indices.size())}, DType::int64);
  std::copy(indices.begin(), indices.end(), dst.view().as<int64_t>());
  return dst.array();
}

py::tuple scored(const ScoredBoxes& found) {
  const Output scores({static_cast<int64_t>(found.scores.size())}, DType::float64);
  std::copy(found.scores.begin(), found.scores.end(), scores.view().as<double>());
  return py::make_tuple(indices_of(found.indices), scores.array());
}

std::optional<Input> optional(const py::object& array, const char* op, const char* argument) {
  if (array.is_none()) return std::nullopt;
  return std::optional<Input>(std::in_place, array, op, argument);
}

Decay decay_of(bool gaussian) { return gaussian ? Decay::gaussian : Decay::linear; }

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("nms", [](const py::object& boxes, const py::object& scores, const py::object& idxs, double iou_threshold,
                  const std::string& op) {
    const Input b(boxes, op.c_str(), "boxes"), s(scores, op.c_str(), "scores");
    const std::optional<Input> classes = optional(idxs, op.c_str(), "idxs");
    std::vector<int64_t> kept;
    release_gil([&] {
      kept =
          nms(default_context(), b.view(), s.view(), classes ? &classes->view() : nullptr, iou_threshold, op.c_str());
    });
    return indices_of(kept);
  });
  m.def("nms_ref", [](const py::object& boxes, const py::object& scores, const py::object& idxs, double threshold) {
    const Input b(boxes, "nms", "boxes"), s(scores, "nms", "scores");
    const std::optional<Input> classes = optional(idxs, "nms", "idxs");
    return indices_of(nms_ref(serial_context(), b.view(), s.view(), classes ? &classes->view() : nullptr, threshold));
  });
  m.def("nms_rotated", [](const py::object& boxes, const py::object& scores, double iou_threshold) {
    const Input b(boxes, "nms_rotated", "boxes"), s(scores, "nms_rotated", "scores");
    std::vector<int64_t> kept;
    release_gil([&] { kept = nms_rotated(default_context(), b.view(), s.view(), iou_threshold); });
    return indices_of(kept);
  });
  m.def("nms_padded", [](const py::object& boxes, const py::object& scores, double iou_threshold, int64_t max_output,
                         std::optional<double> score_threshold, const py::object& classes) {
    constexpr char op[] = "nms_padded";
    const Input b(boxes, op, "boxes"), s(scores, op, "scores");
    const std::optional<Input> keys = optional(classes, op, "classes");
    FASTCNN_CHECK(max_output >= 0, op, ": expected max_output of at least 0, got ", max_output);
    FASTCNN_CHECK(max_output <= INT32_MAX, op, ": expected max_output of at most 2^31 - 1, got ", max_output);
    FASTCNN_CHECK(b.shape().size() == 3, op, ": expected boxes of shape (B, N, 4), got ", shape_text(b.view()));
    const Output indices({b.shape()[0], max_output}, DType::int64), counts({b.shape()[0]}, DType::int64);
    release_gil([&] {
      nms_padded(default_context(), b.view(), s.view(), keys ? &keys->view() : nullptr, iou_threshold, score_threshold,
                 indices.view(), counts.view());
    });
    return py::make_tuple(indices.array(), counts.array());
  });
  m.def("soft_nms", [](const py::object& boxes, const py::object& scores, double iou_threshold, double sigma,
                       bool gaussian, double min_score) {
    const Input b(boxes, "soft_nms", "boxes"), s(scores, "soft_nms", "scores");
    ScoredBoxes found;
    release_gil([&] {
      found = soft_nms(default_context(), b.view(), s.view(), iou_threshold, sigma, decay_of(gaussian), min_score);
    });
    return scored(found);
  });
  m.def("matrix_nms",
        [](const py::object& boxes, const py::object& scores, double sigma, bool gaussian, double min_score) {
          const Input b(boxes, "matrix_nms", "boxes"), s(scores, "matrix_nms", "scores");
          ScoredBoxes found;
          release_gil(
              [&] { found = matrix_nms(default_context(), b.view(), s.view(), sigma, decay_of(gaussian), min_score); });
          return scored(found);
        });
  m.def("box_overlaps", [](const py::object& boxes1, const py::object& boxes2, int kind, double eps) {
    const Input a(boxes1, "box_iou", "boxes1"), b(boxes2, "box_iou", "boxes2");
    std::vector<int64_t> shape = a.shape();
    FASTCNN_CHECK(shape.size() >= 2 && b.shape().size() == shape.size(),
                  "box_iou: expected boxes1 (N, 4) and boxes2 (M, 4), got ", shape_text(a.view()), " and ",
                  shape_text(b.view()));
    shape.back() = b.shape()[shape.size() - 2];
    const Output dst(shape, dtype_of(a.view()));
    release_gil(
        [&] { box_overlaps(default_context(), a.view(), b.view(), static_cast<Overlap>(kind), eps, dst.view()); });
    return dst.array();
  });
  m.def("box_iou_rotated", [](const py::object& boxes1, const py::object& boxes2) {
    const Input a(boxes1, "box_iou_rotated", "boxes1"), b(boxes2, "box_iou_rotated", "boxes2");
    FASTCNN_CHECK(a.shape().size() == 2 && b.shape().size() == 2,
                  "box_iou_rotated: expected boxes1 (N, 5) and boxes2 (M, 5), got ", shape_text(a.view()), " and ",
                  shape_text(b.view()));
    const Output dst({a.shape()[0], b.shape()[0]}, dtype_of(a.view()));
    release_gil([&] { box_iou_rotated(default_context(), a.view(), b.view(), dst.view()); });
    return dst.array();
  });
  m.def("masks_to_boxes", [](const py::object& masks) {
    const Input src(masks, "masks_to_boxes", "masks");
    std::vector<int64_t> shape = src.shape();
    FASTCNN_CHECK(shape.size() >= 2, "masks_to_boxes: expected masks of shape (..., H, W), got ",
                  shape_text(src.view()));
    shape.pop_back();
    shape.back() = 4;
    const Output dst(shape, DType::float32);
    release_gil([&] { masks_to_boxes(default_context(), src.view(), dst.view()); });
    return dst.array();
  });
}
