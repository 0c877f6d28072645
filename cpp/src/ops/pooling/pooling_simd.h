// The arguments of the pooling kernels of all ISAs. POD only.
#pragma once

#include <stdint.h>

#include "core/dispatch.h"

namespace fastcnn {

/// The index for a window that lies entirely in the padding.
inline constexpr int kNowhere = -1;

/// The windows along one axis: out of them over in elements.
struct PoolAxis {
  int64_t in = 1, out = 1;
  const int64_t *begin = nullptr, *end = nullptr;  ///< window o's elements inside: begin[o], + dilation, ... < end[o]
  /// Where `uniform`: element t of window o is o * stride - padding + t * dilation, outside elements included.
  int64_t kernel = 1, stride = 1, padding = 0, dilation = 1;
  bool uniform = true;
};

/// One plane's pooling: [z][y][x][inner] -> the same order. NCHW has inner = 1, channels_last inner = C.
struct PoolJob {
  PoolAxis z, y, x;
  int64_t inner = 1;
  int64_t pitch = 1;  ///< from one pixel of the source to the next: `inner`, or more on the direct path
  /// Means: element counts per output coordinate, of the dtype summed in; x's per element of a row (x.out * inner)
  /// on the sliding path, else per pixel. Transposed: reciprocals per source coordinate.
  const void *scale_z = nullptr, *scale_y = nullptr, *scale_x = nullptr;
};

enum class PoolPath {
  sliding,    ///< rows first, whole vectors along x * inner; then taps along the result
  direct,     ///< vectors over the channels of one output pixel
  reducing,   ///< rows first; then each output folds its own stretch
  permuting,  ///< rows first, in registers; then taps by permutation (narrow planes of floats, where kernels permute)
};

/// Pools rows [first, last) of z * y, channels [c0, c1) (direct only), of the plane at src and dst; rows beyond that
/// plane belong to the following planes. buffer: `buffer_bytes` of scratch memory, 64-byte aligned, initialised once by
/// `prepare`.
using PoolRows = void (*)(const PoolJob&, PoolPath, const void* src, void* dst, int64_t first, int64_t last, int64_t c0,
                          int64_t c1, void* buffer);

/// Limits of the permuting path: a row fits in two vectors, less one neutral lane; its outputs fit in one vector; the
/// widest window has at most this many taps.
inline constexpr int64_t kMaxPermuted = 16;

/// Tables are in the order of DType: undefined, bool, uint8, uint16, int16, int32, int64, float16, bfloat16, float32,
/// float64; null where there is no kernel.
struct PoolWindowKernels {
  int64_t vector_bytes;
  bool permute;
  int64_t (*buffer_bytes)(const PoolJob&, PoolPath, bool transposed);
  void (*prepare)(const PoolJob&, PoolPath, bool wide, bool transposed, bool mean, void* buffer);
  PoolRows rows[11], transposed[11];
};

/// The maxima of one output row and their positions: values of the wide type (float, double, int32, int64), indices of
/// its size, flat within the plane; channels [c0, c1) side by side.
using PoolIndexRow = void (*)(const PoolJob&, const void* src, int64_t row, int64_t c0, int64_t c1, void* buffer,
                              void* values, void* indices);
struct PoolIndexKernels {
  int64_t (*buffer_bytes)(const PoolJob&);
  PoolIndexRow row[11];
  /// n values and indices to the dtype and int64.
  void (*store[11])(const void* values, const void* indices, int64_t n, void* dst, int64_t* dst_indices);
  /// Adds the gradients of one output row to `sums` at the positions of the maxima of channels [c0, c1) of src: floats
  /// or doubles. buffer, values and indices: as for `row`.
  void (*back[11])(const PoolJob&, const void* src, const void* grad, int64_t row, int64_t c0, int64_t c1, void* buffer,
                   void* values, void* indices, void* sums);
  /// n sums to float16 or bfloat16.
  void (*narrow[11])(const float* sums, int64_t n, void* dst);
};

}  // namespace fastcnn
FASTCNN_DECLARE_KERNELS(PoolWindowKernels, pool_max_kernels)
FASTCNN_DECLARE_KERNELS(PoolWindowKernels, pool_mean_kernels)
FASTCNN_DECLARE_KERNELS(PoolIndexKernels, pool_index_kernels)
