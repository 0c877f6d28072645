// The register tile of the direct convolutions: a few output pixels by panels of filters, over a block of the sum.
#pragma once

#include "core/dispatch.h"
#include "ops/conv/problem.h"

namespace fastcnn::conv {

/// Packed weights are stored in blocks of 16 values: 16 filters of one term of the sum, or, if few filters remain,
/// `split` adjacent terms of 16 / split filters, filter by filter, so that no lane is unused.
constexpr int kBlock = 16;
constexpr int kMaxSplit = 4;
constexpr int kMaxTilePixels = 14;

/// Adjacent terms of the sum that read adjacent input values.
struct Segment {
  int64_t offset;  ///< of the first value from the pixel under the first tap
  int64_t term;    ///< its term, counted from the start of the block of terms
  int64_t length;
};

/// Filters [first, first + count) of a group, in one panel's worth of lanes.
struct Panel {
  int64_t first, count;
  int64_t weights;  ///< offset from the block of terms
  int split;        ///< 1, 2 or 4
};

template <class T>
struct TileArgs {
  const T* src;    ///< first pixel under the first tap
  int64_t stride;  ///< from one pixel to the next
  const Segment* segments;
  int64_t num_segments;
  const T* weights;      ///< of the block of terms
  int64_t block_stride;  ///< from one filter block to the next
  const Panel* panels;
  int64_t num_panels;
  int pixels;  ///< 1 ... tile_pixels
  // Tiles that follow one another in a row: from the input, result and residual of one to those of the next.
  int64_t tiles, src_step, dst_step, residual_step;
  bool panel_by_panel;  ///< else tile by tile
  int64_t filter;       ///< the group's first
  T* const* dst;        ///< [pixels]
  bool first, last;     ///< block of terms: starts from the bias or from what dst holds; applies the epilogue
  const Epilogue<T>* epilogue;
  const T* const* residual;  ///< [pixels] or null
  const T* const* scale;     ///< [pixels] or null
};

/// The data of a segment that gathering needs.
struct Run {
  Segment segment;
  int64_t first;  ///< its first value, counted from the pixel `at`
  int64_t at[3];  ///< depth, height, width from the first tap's
};

/// The values of one pixel, term after term, with zeros outside the image.
template <class T>
struct GatherArgs {
  const T* src;   ///< pixel under the first tap; never read where it lies outside
  int64_t at[3];  ///< its coordinates
  int64_t in[3];
  int64_t channels;  ///< values of a pixel that count; the next pixel's follow where a segment is longer
  const T* scale;    ///< [channels] or null
  const Run* runs;
  int64_t num_runs;
  int64_t terms;  ///< a multiple of kMaxSplit, up to which zeros follow the last segment
  T* panel;       ///< [terms + 16]
};

template <class T>
struct TileRoutines {
  int tile_pixels;  ///< most pixels of a tile
  int panel_lanes;
  void (*tile)(const TileArgs<T>&);
  void (*gather)(const GatherArgs<T>&);
  /// `pixels` times `values` values, scaled, or zeros where src is null. Writes up to 16 values more.
  void (*copy)(T* dst, int64_t dst_stride, const T* src, int64_t src_stride, const T* scale, int64_t values,
               int64_t pixels);
};

struct TileKernels {
  TileRoutines<float> f32;
  TileRoutines<double> f64;
};

}  // namespace fastcnn::conv

FASTCNN_DECLARE_KERNELS(conv::TileKernels, tile_kernels)
