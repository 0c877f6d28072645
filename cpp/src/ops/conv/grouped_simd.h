// Register tiles of the depthwise convolution and of groups of few channels.
#pragma once

#include "core/dispatch.h"
#include "ops/conv/problem.h"

namespace fastcnn::conv {

/// Packed weights: [block of 16 filters][tap][channel of the group][16].
constexpr int kGroupedBlock = 16;
constexpr int kMaxGroupedPixels = 14;

/// A row of the kernel that meets the image.
template <class T>
struct GroupedRow {
  const T* src;  ///< pixel 0 of the input row, channel 0
  int64_t tap;   ///< first tap
};

/// Some adjacent pixels of an output row, all of some channels.
template <class T>
struct GroupedTile {
  int64_t group_channels;  ///< as many filters: 1, 4 or 8
  const GroupedRow<T>* rows;
  int64_t num_rows;
  int64_t kernel, stride, dilation;  ///< along the row
  int64_t x;                         ///< input pixel under the first tap of the first output pixel
  int64_t width;                     ///< of the input row
  int64_t pixel_stride;              ///< of the input
  int64_t taps;                      ///< of the whole kernel
  const T* weights;
  int64_t channel_begin, channel_end;  ///< begin is a multiple of kGroupedBlock
  int pixels;
  T* const* dst;         ///< [pixels], channel 0
  const T* input_scale;  ///< [channels] or null
  const Epilogue<T>* epilogue;
  const T* const* residual;  ///< [pixels] or null
  const T* const* scale;     ///< [pixels] or null
};

template <class T>
struct GroupedRoutines {
  int tile_pixels;
  void (*tile)(const GroupedTile<T>&);
};

struct GroupedKernels {
  GroupedRoutines<float> f32;
  GroupedRoutines<double> f64;
};

}  // namespace fastcnn::conv

FASTCNN_DECLARE_KERNELS(conv::GroupedKernels, grouped_kernels)
