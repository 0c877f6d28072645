// The vector parts of threshold_otsu for floats.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

template <class F>
struct OtsuRows {
  /// Minimum and maximum of n >= 1 values. Returns false if one is NaN (they are undefined then).
  bool (*range)(const F* src, int64_t n, F* minimum, F* greatest);
  /// dst[i] = int((src[i] - first) / span * bins), for values in [first, first + span]
  void (*bins)(const F* src, int64_t n, F first, F span, F bins, int32_t* dst);
};

struct OtsuKernels {
  OtsuRows<float> f32;
  OtsuRows<double> f64;
};

}  // namespace fastcnn
FASTCNN_DECLARE_KERNELS(OtsuKernels, otsu_kernels)
