// Pooling of one region, a block of channels at a time (roi_simd.inl).
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn::roi {

/// The number of channels that are computed together; they are adjacent in memory.
constexpr int64_t kBlock = 32;

/// One axis of a region: bin b is the sum of weight[k] times the value at index[k], for k in [begin[b], begin[b + 1]).
template <class T>
struct Taps {
  int64_t bins;
  const int64_t *begin, *index;
  const T* weight;
  int64_t first, last;  ///< all indices lie in [first, last); equal where there is none
};

/// A plane of pixels of kBlock channels.
template <class T>
struct Plane {
  T* data;
  int64_t row, pixel;  ///< strides
};

/// One axis of a region whose bins are runs of pixels.
struct Runs {
  int64_t bins;
  const int64_t *first, *last;  ///< [first[b], last[b]), inside the plane
};

template <class T>
struct RoiKernels1 {
  /// bins: [y bin][x bin][kBlock]; row: memory for last - first pixels of x.
  void (*align)(const Taps<T>& y, const Taps<T>& x, const Plane<const T>& plane, T* row, T* bins);
  /// Adds to the plane.
  void (*align_backward)(const Taps<T>& y, const Taps<T>& x, const T* bins, T* row, const Plane<T>& plane);
  void (*maximum)(const Runs& y, const Runs& x, const Plane<const T>& plane, int64_t width, T* bins, int32_t* argmax);
};

struct RoiKernels {
  RoiKernels1<float> f32;
  RoiKernels1<double> f64;
};

}  // namespace fastcnn::roi

namespace fastcnn {
using roi::RoiKernels;
}
FASTCNN_DECLARE_KERNELS(RoiKernels, roi_kernels)
