#include "ops/labeling/region_table_checks.h"

#include "ops/labeling/runs.h"

namespace fastcnn {

DType region_mean_dtype(DType intensity) {
  const int code = data_type(intensity).code;
  return code == data_type(DType::float32).code || code == data_type(DType::bfloat16).code ? intensity : DType::float32;
}

RegionTableCall::RegionTableCall(const TensorView& labels, const TensorView* intensity, int spatial_dims,
                                 const RegionTableViews& dst)
    : batch(labels, spatial_dims, kRegionTable, "labels"),
      maximum(dst.area.ndim > 0 ? dst.area.shape[dst.area.ndim - 1] : 0) {
  visit(LabelTypes{}, labels, kRegionTable, "labels", [](auto) {});
  check_run_count(batch.extent, kRegionTable);
  const auto check = [&](const TensorView& column, DType dtype, const char* name, auto... tail) {
    check_per_image(labels, spatial_dims, column, dtype, kRegionTable, name, tail...);
  };
  check(dst.count, DType::int32, "count");
  check(dst.area, DType::int64, "area", maximum);
  check(dst.bbox, DType::float32, "bbox", maximum, 2 * spatial_dims);
  check(dst.centroid, DType::float32, "centroid", maximum, spatial_dims);
  fill<int32_t>(dst.count, 0);
  if (batch.count == 0) {  // images without pixels have rows nevertheless
    fill<int64_t>(dst.area, 0);
    fill<float>(dst.bbox, 0);
    fill<float>(dst.centroid, 0);
  }
  if (!intensity) return;
  visit(AllTypes{}, *intensity, kRegionTable, "intensity", [](auto) {});
  FASTCNN_CHECK_TYPE(intensity->device.type == kCpu, kRegionTable, ": expected intensity on the CPU");
  check_same_shape(labels, *intensity, kRegionTable, "intensity");
  const DType dtype = dtype_of(*intensity);
  check(dst.intensity_mean, region_mean_dtype(dtype), "intensity_mean", maximum);
  check(dst.intensity_min, dtype, "intensity_min", maximum);
  check(dst.intensity_max, dtype, "intensity_max", maximum);
  check(dst.argmin, DType::int64, "argmin", maximum);
  check(dst.argmax, DType::int64, "argmax", maximum);
  if (batch.count == 0) {
    for (const TensorView* column : {&dst.intensity_mean, &dst.intensity_min, &dst.intensity_max})
      std::fill_n(column->as<char>(), column->numel() * static_cast<int64_t>(size_of(dtype_of(*column))), char{0});
    fill<int64_t>(dst.argmin, -1);
    fill<int64_t>(dst.argmax, -1);
  }
}

}  // namespace fastcnn
