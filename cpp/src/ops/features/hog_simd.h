// The histograms' inner loops.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn::features {

/// A pixel's votes lie side by side, so many to a multiple.
constexpr int64_t kVotes = 16;

struct HogKernels {
  /// n gradients, turned into the upper half plane: their length, and how many of some borders they are beyond.
  void (*bins)(double* gx, double* gy, int64_t n, const double* sine, const double* cosine, int64_t borders,
               double* length, double* bin);
  /// n pixels' gradients to votes [pixel][stride], `bins` of them used: the two nearest orientations' share of the
  /// length.
  void (*votes)(const float* gx, const float* gy, int64_t n, int64_t bins, int64_t stride, float* votes);
  /// to[stride] = the votes of a window, weights [rows][columns]; line[i]: votes of row i from the first column on.
  void (*sum)(const float* const* line, int64_t rows, int64_t columns, const float* weights, int64_t stride, float* to);
};

}  // namespace fastcnn::features

namespace fastcnn {
using features::HogKernels;
}
FASTCNN_DECLARE_KERNELS(HogKernels, hog_kernels)
