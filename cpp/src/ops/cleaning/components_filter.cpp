#include "ops/cleaning/components_filter.h"

#include "ops/labeling/label_ref.h"
#include "ops/labeling/labeling_checks.h"

namespace fastcnn {

void check_mask(const TensorView& src, int spatial_dims, const TensorView& dst, const char* op) {
  const BatchShape batch(src, spatial_dims, op, "mask");
  visit(AllTypes{}, src, op, "mask", [](auto) {});
  check_output(dst, DType::boolean, op, "dst");
  check_same_shape(src, dst, op, "dst");
  check_run_count(batch.extent, op);
}

int32_t size_bound(int64_t size, const char* op, const char* argument) {
  FASTCNN_CHECK(size >= 0, op, ": expected ", argument, " of at least 0, got ", size);
  return static_cast<int32_t>(std::min<int64_t>(size, INT32_MAX));
}

void filter_components(const Context& context, const TensorView& src, int spatial_dims, int connectivity,
                       RunMeasure measure, const RunFilter& filter, const TensorView& dst) {
  const BatchShape batch(src, spatial_dims, "filter_components", "mask");
  const ImageSource images(src, spatial_dims);
  for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
    Scratch scratch(inner);
    const void* pixels = pixels_of(images, src, i, scratch);
    RunComponents components(inner, scratch, batch.extent, spatial_dims, connectivity);
    components.scan(pixels, dtype_of(src), filter.invert, measure);
    components.write_mask(filter, dst.as<uint8_t>() + i * batch.extent.size());
  });
}

void filter_components_ref(const Context& context, const TensorView& src, int spatial_dims, int connectivity,
                           RunMeasure measure, const RunFilter& filter, const TensorView& dst) {
  const BatchShape batch(src, spatial_dims, "filter_components", "mask");
  const Extent& extent = batch.extent;
  const int64_t size = extent.size();
  const ImageSource images(src, spatial_dims);
  visit(AllTypes{}, src, "filter_components", "mask", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const T* image = images.image<T>(i, scratch);
      auto* labels = scratch.get<int32_t>(size);
      const int32_t count = flood_components(
          extent, connectivity, scratch, [&](int64_t p) { return (image[p] != 0) != filter.invert; },
          [](int64_t, int64_t) { return true; }, labels);
      auto* value = scratch.get<int32_t>(count + 1);
      std::fill_n(value, count + 1, 0);
      for (int64_t p = 0; p < size; ++p)
        value[labels[p]] += measure == RunMeasure::area || on_border(extent, spatial_dims, p);
      for (int64_t p = 0; p < size; ++p) {
        const bool kept = labels[p] && (value[labels[p]] <= filter.bound) == filter.keep_up_to;
        dst.as<bool>()[i * size + p] = kept != filter.invert;
      }
    });
  });
}

}  // namespace fastcnn
