// The register tile of the direct convolutions: a few output pixels by one panel of filters, over a stretch of the sum.
#pragma once

#include "core/dispatch.h"
#include "ops/conv/problem.h"

namespace fastcnn::conv {

/// Packed weights come in blocks of 16 values: 16 filters of one term of the sum, or, where few filters are left over,
/// `split` adjacent terms of 16 / split filters, filter by filter, so that no lane idles.
constexpr int kBlock = 16;
constexpr int kMaxSplit = 4;
constexpr int kMaxTilePixels = 14;

/// Adjacent terms of the sum that read adjacent input values.
struct Segment {
  int64_t offset;  ///< of its first value from the pixel under the first tap, in elements
  int64_t term;    ///< its first term, counted from the start of the block of terms
  int64_t length;
  int64_t first;  ///< its first value, counted from the pixel `at` below
  int64_t at[3];  ///< that pixel: depth, height, width from the first tap's
};

template <class T>
struct TileArgs {
  const T* src;    ///< first pixel under the first tap
  int64_t stride;  ///< from one pixel to the next
  const Segment* segments;
  int64_t num_segments;
  const T* weights;      ///< of the panel
  int64_t block_stride;  ///< from one filter block to the next
  int split;             ///< 1, 2 or 4
  int pixels;            ///< 1 ... tile_pixels
  int64_t filters;       ///< that count: the others in the panel are padding
  int64_t filter;        ///< first of the panel, offset into dst and bias
  T* const* dst;         ///< [pixels]
  const T* bias;         ///< null: none
  bool accumulate;       ///< on what dst holds; then without bias
  bool last;             ///< block of terms: apply the epilogue
  const Epilogue<T>* epilogue;
  const T* const* residual;  ///< [pixels] or null
  const T* const* scale;     ///< [pixels] or null
};

/// One pixel's values, term after term, zeros where it lies outside.
template <class T>
struct GatherArgs {
  const T* src;   ///< pixel under the first tap; never read where it lies outside
  int64_t at[3];  ///< its coordinates
  int64_t in[3];
  int64_t channels;  ///< values in a pixel that count; the next pixel in a row follows them where a segment is longer
  const T* scale;    ///< [channels] or null
  const Segment* segments;
  int64_t num_segments;
  int64_t terms;  ///< a multiple of kMaxSplit, up to which zeros follow the last segment
  T* panel;       ///< [terms + 16]
};

template <class T>
struct TileRoutines {
  int tile_pixels;  ///< most pixels of a tile
  int panel_lanes;  ///< lanes of a panel
  void (*tile)(const TileArgs<T>&);
  void (*gather)(const GatherArgs<T>&);
};

struct TileKernels {
  TileRoutines<float> f32;
  TileRoutines<double> f64;
};

}  // namespace fastcnn::conv

namespace fastcnn {
using conv::TileKernels;
}
FASTCNN_DECLARE_KERNELS(conv::TileKernels, tile_kernels)
