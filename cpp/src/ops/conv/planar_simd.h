// Sums along whole planes, for convolutions of few channels; see planar.h.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn::conv {

/// Maximum number of filters that are computed together.
constexpr int kPlanarFilters = 4;

template <class T>
struct PlanarRoutines {
  int64_t lanes;
  /// dst[f][i] = bias[f] + the sum over the terms t of weights[t][f] * x[offsets[t] + i], i below vectors * lanes. The
  /// weights have the pitch kPlanarFilters, the rows of dst dst_pitch. bias may be null.
  void (*forward)(const T* x, const int64_t* offsets, int64_t terms, const T* weights, const T* bias, int filters,
                  int64_t vectors, T* dst, int64_t dst_pitch);
  /// sums[f][t][lane] += the sum over images and vectors of grad[f][i] * x[offsets[t] + i].
  void (*weight_grad)(const T* x, int64_t x_image, const int64_t* offsets, int64_t terms, const T* grad,
                      int64_t grad_image, int64_t grad_pitch, int filters, int64_t images, int64_t vectors, T* sums,
                      int64_t sums_pitch);
};

struct PlanarKernels {
  PlanarRoutines<float> f32;
  PlanarRoutines<double> f64;
};

}  // namespace fastcnn::conv

FASTCNN_DECLARE_KERNELS(conv::PlanarKernels, planar_kernels)
