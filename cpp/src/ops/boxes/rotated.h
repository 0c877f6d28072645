// Rotated boxes: (cx, cy, width, height, degrees counter-clockwise as seen, y pointing down).
#pragma once

#include "ops/boxes/box_grid.h"

namespace fastcnn::boxes {

struct Rotated {
  double cx, cy, width, height, angle;

  /// Not where a value is NaN or infinite, or the area zero or negative.
  bool is_proper() const;
  /// Of the axis-parallel box around it.
  BoxExtent extent() const;
};

/// Of proper boxes, in [0, 1]: the intersection by clipping one at the other's sides (Sutherland and Hodgman, 1974).
double rotated_iou(const Rotated& a, const Rotated& b);

template <class T>
Rotated rotated_at(const Rows<T>& row, int64_t i) {
  return {static_cast<double>(row(i, 0)), static_cast<double>(row(i, 1)), static_cast<double>(row(i, 2)),
          static_cast<double>(row(i, 3)), static_cast<double>(row(i, 4))};
}

}  // namespace fastcnn::boxes
