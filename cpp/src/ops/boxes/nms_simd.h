// Does one of some boxes overlap a box by more than the threshold?
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
};

struct NmsKernels {
  /// Of n boxes of positive, finite area. Reads up to 64 bytes behind the last.
  bool (*overlaps_f32)(const BoxArrays<float>& kept, int64_t n, const NmsQuery<float>& box);
  bool (*overlaps_f64)(const BoxArrays<double>& kept, int64_t n, const NmsQuery<double>& box);
};

}  // namespace fastcnn::boxes

namespace fastcnn {
using boxes::NmsKernels;
}
FASTCNN_DECLARE_KERNELS(NmsKernels, nms_kernels)
