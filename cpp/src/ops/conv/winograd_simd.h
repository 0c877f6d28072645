// The kernels of Winograd convolution: three transforms and a batched matrix product (winograd_simd.inl).
#pragma once

#include <cstdint>

#include "core/dispatch.h"
#include "ops/conv/problem.h"

namespace fastcnn::conv {

/// Channels and filters come in blocks of this many on every ISA; one or two blocks of filters are a panel.
constexpr int64_t kWinogradBlock = 16;
constexpr int64_t kWinogradPanel = 2 * kWinogradBlock;

/// A run of neighbouring tiles in a row of tiles, one block of channels (fewer at the end).
struct WinogradInput {
  const float* src;                   ///< the plane's first pixel; null: all zeros
  int64_t row_stride, column_stride;  ///< of src, in elements
  int64_t rows, columns;              ///< of the plane; what lies outside is zero
  int64_t y, x;                       ///< the first pixel under the first tile
  int64_t tiles, channels;
  const float* scale;  ///< [channels] or null
  float* v;            ///< [point][WinogradKernels::tiles][block]
};

/// Transforms a block of filters.
struct WinogradFilter {
  const float* taps;  ///< [channel][tap][block]
  int64_t channels, channel_stride;
  float* u;
  int64_t u_point_stride, u_channel_stride;
};

struct WinogradGroup {
  const float* v;  ///< [channel block][point][WinogradKernels::tiles][block]
  float* m;        ///< [point][WinogradKernels::tiles][panel]
  int64_t tiles;
};

/// m (+)= v * u for some groups of tiles and a panel.
struct WinogradProduct {
  const WinogradGroup* group;
  int64_t groups;
  const float* u;          ///< [point][channel_stride][panel]
  int64_t channel_stride;  ///< channels of a point
  int64_t channels, blocks;
  bool accumulate;
  /// If the filters are transformed for each product: the taps of a filter, and the location of those of the next
  /// product for each block, which are prefetched. Otherwise 0, and the next point's u is prefetched.
  int64_t taps;
  const float* next_taps[2];
};

/// A run of neighbouring tiles in a row of tiles, one panel of filters.
struct WinogradOutput {
  const float* m;
  int64_t tiles, rows, columns, filters;  ///< how much of them there is to write
  const Epilogue<float>* epilogue;
  const float* bias;  ///< [filters] or null, as are the next two
  const float* scale;
  const float* residual;
  int64_t residual_row_stride, residual_column_stride;
  float* dst;  ///< the first tile's first pixel
  int64_t row_stride, column_stride;
};

/// A run of neighbouring tiles of the result's gradient in a row of tiles, for one panel of filters (zeros behind the
/// last filter).
struct WinogradGradient {
  const float* src;                   ///< the first tile's first pixel
  int64_t row_stride, column_stride;  ///< of src, in elements
  int64_t rows, columns;              ///< from there on; what lies behind them is zero
  int64_t tiles, filters, panel;
  float* d;  ///< [point][tile][panel]
  int64_t point_stride;
};

/// From the sums over all tiles to the gradient of 3 x 3 taps.
struct WinogradTaps {
  const float* m;  ///< [point][channel][panel]
  int64_t point_stride, channels, panel;
  float* taps;  ///< [channel][tap][panel]
};

/// The routines for one pair of tile sizes, height by width.
struct WinogradTransforms {
  int64_t tile_rows, tile_columns, point_rows, point_columns;
  void (*input)(const WinogradInput&);
  void (*filter)(const WinogradFilter&);
  void (*product)(const WinogradProduct&);
  void (*output)(const WinogradOutput&);

  int64_t points() const { return point_rows * point_columns; }
  int64_t kernel_columns() const { return point_columns - tile_columns + 1; }
};

struct WinogradKernels {
  int64_t tiles;  ///< in a group: what the registers hold
  /// 4 x 4, 2 x 2, 3 x 3 results to a tile, 1 x 4, 1 x 2, 1 x 3; of 3 taps, and where 3 results are made of 2.
  WinogradTransforms f4, f2, f3, f4_line, f2_line, f3_line;
  // f4 transposed: of the weight's gradient. Its product is weight_grad_simd.h's.
  void (*gradient)(const WinogradGradient&);
  void (*taps)(const WinogradTaps&);
};

}  // namespace fastcnn::conv

namespace fastcnn {
using conv::WinogradKernels;
}
FASTCNN_DECLARE_KERNELS(WinogradKernels, winograd_kernels)
