// Kernels that find the boxes that overlap a given box by more than the threshold.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn::boxes {

template <class T>
struct BoxArrays {
  const T *x1, *y1, *x2, *y2, *area;
};

template <class T>
struct NmsQuery {
  T x1, y1, x2, y2, area;
  T threshold;
  /// Bounds of the intersection relative to the sum of both areas: below `near` the overlap is not above the threshold,
  /// from `sure` on it is. Infinity: no intersection is certain.
  T near, sure;
};

/// Kernels on n boxes of positive, finite area. They read up to 64 bytes behind the last box.
template <class T>
struct NmsRows {
  /// True if at least one box overlaps.
  bool (*any)(const BoxArrays<T>& boxes, int64_t n, const NmsQuery<T>& box);
  /// Sets the bits of the overlapping boxes from `first` on, and possibly of a few before; box i is bit i % 64 of word
  /// i / 64.
  void (*mark)(const BoxArrays<T>& boxes, int64_t first, int64_t n, const NmsQuery<T>& box, uint64_t* bits);
};

struct NmsKernels {
  NmsRows<float> f32;
  NmsRows<double> f64;
};

}  // namespace fastcnn::boxes

namespace fastcnn {
using boxes::NmsKernels;
}
FASTCNN_DECLARE_KERNELS(NmsKernels, nms_kernels)
