// The histograms' inner loops.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn::features {

/// The votes of a pixel are adjacent; their number is rounded up to a multiple of this.
constexpr int64_t kVotes = 16;

struct HogKernels {
  /// Rotates n gradients into the upper half plane, and computes their length and the number of bin borders below their
  /// angle.
  void (*bins)(double* gx, double* gy, int64_t n, const double* sine, const double* cosine, int64_t borders,
               double* length, double* bin);
  /// Converts the gradients of n pixels to votes [pixel][stride], of which `bins` are used: the length is shared
  /// between the two nearest orientations.
  void (*votes)(const float* gx, const float* gy, int64_t n, int64_t bins, int64_t stride, float* votes);
  /// to[stride] = the votes of a window, weights [rows][columns]; line[i]: votes of row i from the first column on.
  void (*sum)(const float* const* line, int64_t rows, int64_t columns, const float* weights, int64_t stride, float* to);
};

}  // namespace fastcnn::features

namespace fastcnn {
using features::HogKernels;
}
FASTCNN_DECLARE_KERNELS(HogKernels, hog_kernels)
