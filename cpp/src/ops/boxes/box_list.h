// Boxes of a run-time dtype as arrays of their coordinates, for vectors.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/dtypes.h"
#include "fastcnn/context.h"
#include "ops/boxes/nms_simd.h"

namespace fastcnn::boxes {

/// The type in which a dtype is computed.
template <class T>
using Computed = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
struct BoxList {
  T *x1, *y1, *x2, *y2, *area;

  static BoxList in(Scratch& scratch, int64_t n) {
    BoxList list;
    for (T** array : {&list.x1, &list.y1, &list.x2, &list.y2, &list.area}) *array = scratch.get<T>(n);
    return list;
  }
  void set(int64_t i, T left, T top, T right, T bottom) const {
    x1[i] = left, y1[i] = top, x2[i] = right, y2[i] = bottom;
    area[i] = (right - left) * (bottom - top);
  }
  void copy(int64_t i, const BoxList& from, int64_t j) const {
    x1[i] = from.x1[j], y1[i] = from.y1[j], x2[i] = from.x2[j], y2[i] = from.y2[j], area[i] = from.area[j];
  }
  /// True if it can overlap another box. False if a coordinate is NaN, or if the extent is negative, zero or not
  /// finite: then the quotient of the intersection and the union is 0 or NaN.
  bool is_proper(int64_t i) const {
    return x2[i] > x1[i] && y2[i] > y1[i] && area[i] > 0 && area[i] <= std::numeric_limits<T>::max();
  }
  BoxArrays<T> from(int64_t i) const { return {x1 + i, y1 + i, x2 + i, y2 + i, area + i}; }
};

/// Element `column` of row `i` of a (N, columns) view, in the type of the computation.
template <class T>
struct Rows {
  Rows(const TensorView& view, int64_t image)
      : data(view.as<T>() + (view.ndim > 2 ? image * view.stride(0) : 0)),
        row(view.stride(view.ndim - 2)),
        column(view.stride(view.ndim - 1)) {}
  Computed<T> operator()(int64_t i, int64_t j) const { return static_cast<Computed<T>>(data[i * row + j * column]); }

  const T* data;
  int64_t row, column;
};

/// The threshold in T for `overlap > threshold`: the largest value not above the threshold.
template <class T>
T threshold_in(double threshold) {
  T value = static_cast<T>(threshold);
  if (static_cast<double>(value) > threshold) value = std::nextafter(value, -std::numeric_limits<T>::infinity());
  return value;
}

}  // namespace fastcnn::boxes
