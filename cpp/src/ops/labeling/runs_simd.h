// Connected components over runs. The image is cut into bands of one or two rows, a row is a bit mask, and a run is a
// maximal set of neighbouring columns in which the band has an object pixel: in a band of two rows all its pixels are
// 8-connected. Such bands halve the number of rows and, on noise, reduce the number of runs even more (the 2 x 2 blocks
// of Grana et al., Optimized Block-Based Connected Components Labeling With Decision Trees, 2010, without the trees).
// Runs have consecutive numbers within a strip of bands; one strip is one thread's share.
#pragma once

#include <cstdint>

#include "core/dispatch.h"

namespace fastcnn {

enum class RunMeasure : int32_t { none, area, border };

struct RunImage {
  int64_t depth, height, width;
  bool volume;           // the first and last slice are border
  int32_t rows;          // of a band: 1 or 2
  int32_t connectivity;  // 1..spatial_dims
  int64_t words;         // of 64 pixels, in a row
  int64_t bands_per_slice, bands;
  int64_t capacity;  // most runs in a band; the runs of a strip begin at capacity * its first band
  uint64_t* bits;    // [band][row][word]
  int32_t* first;    // [band][word + 1]: the first run that begins in this word or behind it
  int32_t* parent;   // [run]: a run of the same component with a smaller number, or itself: the root
  int32_t* value;    // [run], valid at roots: the measurement, later the label
};

struct RunStrips {
  int64_t count;
  const int64_t* begin;  // [count + 1]: bands
  int32_t* roots;        // [count]: components that begin in the strip
};

/// The source of the pixels: `bytes` per pixel. A pixel belongs to an object if (pixel & significant) is not zero, or
/// is zero with `invert`.
struct RunSource {
  const void* pixels;
  int32_t bytes;
  bool invert;
  uint64_t significant;
};

/// Keeps a component if (value <= bound) == keep_up_to. Writes 1 for pixels of kept components, or for all other pixels
/// with `invert`.
struct RunFilter {
  int32_t bound;
  bool keep_up_to, invert;
};

struct RunKernels {
  /// Finds the runs of bands [begin, end), joins them among themselves, makes every parent a root, and measures the
  /// components. Returns the number of roots.
  int32_t (*scan)(const RunImage& image, const RunSource& source, RunMeasure measure, int64_t begin, int64_t end);
  /// Joins the components of the strips and sums their measurements.
  void (*join)(const RunImage& image, const RunStrips& strips);
  /// Numbers the components whose first pixel lies in bands [begin, end), in raster order, from `label` on.
  void (*number)(const RunImage& image, int64_t begin, int64_t end, int32_t label);
  /// Writes bands [begin, end) as labels; `row` has room for capacity + 16.
  void (*write_labels)(const RunImage& image, int64_t begin, int64_t end, int32_t* row, int32_t* dst);
  void (*write_mask)(const RunImage& image, const RunFilter& filter, int64_t begin, int64_t end, uint8_t* dst);
};

}  // namespace fastcnn
FASTCNN_DECLARE_KERNELS(RunKernels, run_kernels)
