// Checks shared by the ops on boxes.
#pragma once

#include "core/dtypes.h"
#include "fastcnn/error.h"

namespace fastcnn::boxes {

inline void check_device(const TensorView& view, const char* op, const char* argument) {
  FASTCNN_CHECK_TYPE(view.device.type == kCpu, op, ": expected ", argument, " on the CPU");
}

/// (N, columns), or (B, N, columns) where batched.
inline void check_boxes(const TensorView& boxes, int64_t columns, bool batched, const char* op,
                        const char* argument = "boxes") {
  check_device(boxes, op, argument);
  const int rank = batched ? 3 : 2;
  FASTCNN_CHECK(boxes.ndim == rank && boxes.shape[rank - 1] == columns, op, ": expected ", argument, " of shape ",
                batched ? "(B, N, " : "(N, ", columns, "), got ", shape_text(boxes));
  visit(FloatTypes{}, boxes, op, argument, [](auto) {});
}

/// One value for each box.
inline void check_per_box(const TensorView& values, const TensorView& boxes, const char* op, const char* argument) {
  check_device(values, op, argument);
  bool same = values.ndim == boxes.ndim - 1;
  for (int d = 0; same && d < values.ndim; ++d) same = values.shape[d] == boxes.shape[d];
  if (same) return;
  TensorView wanted = boxes;
  wanted.ndim = boxes.ndim - 1;
  FASTCNN_CHECK(false, op, ": expected ", argument, " of shape ", shape_text(wanted), ", got ", shape_text(values));
}

inline void check_scores(const TensorView& scores, const TensorView& boxes, const char* op) {
  check_per_box(scores, boxes, op, "scores");
  visit(FloatTypes{}, scores, op, "scores", [](auto) {});
}

inline void check_threshold(double threshold, const char* op) {
  FASTCNN_CHECK(threshold >= 0 && threshold <= 1, op, ": expected iou_threshold from 0 to 1, got ", threshold);
}

}  // namespace fastcnn::boxes
