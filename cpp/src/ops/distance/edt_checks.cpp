#include "ops/distance/edt_checks.h"

#include <cmath>

#include "fastcnn/error.h"

namespace fastcnn {

BatchShape check_edt(const TensorView& src, int spatial_dims, const double* sampling, const TensorView& dst,
                     const TensorView* indices) {
  const BatchShape batch(src, spatial_dims, kEdt, "mask");
  check_same_shape(src, dst, kEdt, "result");
  const bool squared = dtype_of(dst) == DType::int32;
  check_output(dst, squared ? DType::int32 : DType::float32, kEdt, "result");
  FASTCNN_CHECK(!squared || !sampling, kEdt, ": expected no sampling with squared=True: squares would not be integers");
  for (int i = 0; sampling && i < spatial_dims; ++i)
    FASTCNN_CHECK(sampling[i] > 0 && std::isfinite(sampling[i]), kEdt, ": expected sampling of positive values, got ",
                  sampling[i]);
  // Their squares are formed, and multiples' squares.
  for (int i = 0; sampling && i < spatial_dims; ++i)
    FASTCNN_CHECK(sampling[i] >= 1e-100 && sampling[i] <= 1e100, kEdt,
                  ": expected sampling of values from 1e-100 to 1e100, got ", sampling[i]);
  if (indices) {
    check_output(*indices, DType::int64, kEdt, "indices");
    FASTCNN_CHECK(indices->numel() == src.numel() * spatial_dims, kEdt, ": expected indices of shape (..., ",
                  spatial_dims, ", *spatial), got ", shape_text(*indices));
  }
  return batch;
}

EdtResult edt_result(const TensorView& dst, const TensorView* indices, int spatial_dims, int64_t pixels,
                     int64_t image) {
  const bool squared = dtype_of(dst) == DType::int32;
  return {squared ? nullptr : dst.as<float>() + image * pixels, squared ? dst.as<int32_t>() + image * pixels : nullptr,
          indices ? indices->as<int64_t>() + image * pixels * spatial_dims : nullptr};
}

void check_edt_fits(bool fits) {
  FASTCNN_CHECK(fits, kEdt, ": squared=True needs squares that fit int32: an image has no zero, or is too large");
}

}  // namespace fastcnn
