// Rotated boxes: (cx, cy, width, height, degrees counter-clockwise as seen, y pointing down).
#pragma once

#include "ops/boxes/box_grid.h"

namespace fastcnn::boxes {

struct Rotated {
  double cx, cy, width, height, angle;

  /// False if a value is NaN or infinite, or if the area is zero or negative.
  bool is_proper() const;
  /// The extent of the axis-aligned bounding box.
  BoxExtent extent() const;
};

/// The IoU of two proper boxes, in [0, 1]. The intersection clips one box at the sides of the other (Sutherland and
/// Hodgman, 1974).
double rotated_iou(const Rotated& a, const Rotated& b);

template <class T>
Rotated rotated_at(const Rows<T>& row, int64_t i) {
  return {static_cast<double>(row(i, 0)), static_cast<double>(row(i, 1)), static_cast<double>(row(i, 2)),
          static_cast<double>(row(i, 3)), static_cast<double>(row(i, 4))};
}

}  // namespace fastcnn::boxes
