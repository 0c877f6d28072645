// Connected components of one image over runs (see runs_simd.h), shared by `label` and the cleaning ops.
#pragma once

#include "core/image_batch.h"
#include "ops/labeling/runs_simd.h"

namespace fastcnn {

class RunComponents {
 public:
  /// `connectivity` as 1..spatial_dims. Needs 2.3 bytes of scratch memory per pixel, or 4.3 if bands have one row (4, 6
  /// and 18 neighbours). It needs more if rows do not fill their last word: 24 at width 1.
  RunComponents(const Context& context, Scratch& scratch, const Extent& extent, int spatial_dims, int connectivity);

  /// Finds the components of the non-zero pixels, or of the zero ones with `invert`, and measures them. -0.0 is zero,
  /// NaN and subnormal numbers are not.
  void scan(const void* pixels, DType dtype, bool invert, RunMeasure measure);

  /// Writes the labels 1..n in raster order of the components' first pixels; returns n.
  int32_t write_labels(int32_t* dst);
  /// Writes 1 for pixels of components that the filter keeps, or for all other pixels with `filter.invert`.
  void write_mask(const RunFilter& filter, uint8_t* dst);

 private:
  template <class Body>
  void for_each_strip(const Body& body) const;

  const Context& context_;
  RunImage image_;
  RunStrips strips_;
  int32_t* row_;  // [strip][capacity + 16]
};

/// Raises an Error if the images are too large for int32 runs and labels.
void check_run_count(const Extent& extent, const char* op);

}  // namespace fastcnn
