// Checks shared by distance_transform_edt and its oracle.
#pragma once

#include "core/image_batch.h"
#include "fastcnn/view.h"

namespace fastcnn {

inline constexpr char kEdt[] = "distance_transform_edt";

/// The destinations of an image's results: one of distance and squared, and indices or null.
struct EdtResult {
  float* distance;
  int32_t* squared;
  int64_t* indices;  ///< one plane per axis
};

BatchShape check_edt(const TensorView& src, int spatial_dims, const double* sampling, const TensorView& dst,
                     const TensorView* indices);
EdtResult edt_result(const TensorView& dst, const TensorView* indices, int spatial_dims, int64_t pixels, int64_t image);
/// Raises the error for a squared distance that does not fit.
void check_edt_fits(bool fits);

}  // namespace fastcnn
