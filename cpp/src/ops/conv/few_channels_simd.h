// Pixels of a convolution of few channels; see few_channels.cpp.
#pragma once

#include "core/dispatch.h"
#include "ops/conv/problem.h"

namespace fastcnn::conv {

constexpr int64_t kFewFilters = 16;  ///< the packed weights of a term are filled up to a multiple of this
constexpr int64_t kFewPixels = 48;   ///< pixels of a chunk, a multiple of those of every register tile

/// Adjacent terms of the sum that read adjacent input values.
template <class T>
struct FewRun {
  const T* src;      ///< first value under the first pixel
  const T* weights;  ///< [length][pitch]
  int64_t length;
};

/// Some adjacent pixels of a row of the result.
template <class T>
struct FewChunk {
  const FewRun<T>* runs;  ///< of the first pixel; readable for kFewPixels pixels
  int64_t num_runs;
  int64_t step;  ///< from the input under one pixel to that under the next
  int64_t pixels, filters;
  int64_t pitch;  ///< filters, filled up
  const Epilogue<T>* epilogue;
  T* dst;
  int64_t dst_stride;  ///< of pixels with adjacent filters; in planes, of filters with adjacent pixels
  const T* residual;   ///< or null
  int64_t residual_stride;
  const T* scale;  ///< [filters] or null
};

template <class T>
struct FewRoutines {
  void (*pixels)(const FewChunk<T>&);
  void (*planes)(const FewChunk<T>&);  ///< step 1, and every run is one term
};

struct FewChannelsKernels {
  FewRoutines<float> f32;
  FewRoutines<double> f64;
};

}  // namespace fastcnn::conv

FASTCNN_DECLARE_KERNELS(conv::FewChannelsKernels, few_channels_kernels)
