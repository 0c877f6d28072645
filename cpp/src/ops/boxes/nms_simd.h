// Which of some boxes overlap a box by more than the threshold?
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
  /// An intersection below `near` of both areas is not above the threshold, one from `sure` on is; infinity: none is
  /// sure.
  T near, sure;
};

/// Kernels on n boxes of positive, finite area. They read up to 64 bytes behind the last box.
template <class T>
struct NmsRows {
  /// Does one of them?
  bool (*any)(const BoxArrays<T>& boxes, int64_t n, const NmsQuery<T>& box);
  /// Sets the bits of those from `first` on that do, and perhaps of a few before; bit i of word i / 64.
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
