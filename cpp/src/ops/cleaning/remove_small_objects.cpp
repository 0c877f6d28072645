#include <vector>

#include "core/connectivity.h"
#include "fastcnn/ops/cleaning.h"
#include "ops/cleaning/components_filter.h"
#include "ops/labeling/label_values.h"
#include "ops/labeling/labeling_checks.h"

namespace fastcnn {
namespace {

constexpr const char* kOp = "remove_small_objects";

/// Removes the labels of `bound` pixels or fewer.
template <class T>
void filter_labels(const Context& context, Scratch& scratch, const T* image, int64_t size, int64_t bound, T* dst) {
  const LabelValues<T> values(context, scratch, image, size);
  auto* area = scratch.get<int32_t>(values.count() + 1);
  std::fill_n(area, values.count() + 1, 0);
  context.parallel_for(0, size, 1 << 16, [&](int64_t begin, int64_t end) {
    for_each_stretch(image, begin, end, [&](int64_t first, int64_t last, T value) {
      if (value != 0)
        __atomic_fetch_add(area + values.rank(value), static_cast<int32_t>(last - first), __ATOMIC_RELAXED);
    });
  });
  context.parallel_for(0, size, 1 << 16, [&](int64_t begin, int64_t end) {
    for_each_stretch(image, begin, end, [&](int64_t first, int64_t last, T value) {
      const bool kept = value != 0 && area[values.rank(value)] > bound;
      std::fill(dst + first, dst + last, kept ? value : T{0});
    });
  });
}

/// Bool images through `filter_mask`, label images through filter_label(context, scratch, image, size, bound, dst).
template <class FilterMask, class FilterLabels>
void remove_objects(const Context& context, const TensorView& src, int64_t size, int64_t connectivity, int spatial_dims,
                    const TensorView& dst, const FilterMask& filter_mask, const FilterLabels& filter_label) {
  const BatchShape batch(src, spatial_dims, kOp, "mask");
  visit(LabelTypes{}, src, kOp, "mask", [](auto) {});
  const int rank = connectivity_rank(connectivity, spatial_dims, kOp);
  const int32_t bound = size_bound(size, kOp, "min_size");
  check_output(dst, dtype_of(src), kOp, "dst");
  check_same_shape(src, dst, kOp, "dst");
  check_run_count(batch.extent, kOp);
  if (dtype_of(src) == DType::boolean)
    return filter_mask(context, src, spatial_dims, rank, RunMeasure::area, RunFilter{bound, false, false}, dst);
  check_not_negative(context, src, spatial_dims, kOp, "mask");
  const ImageSource images(src, spatial_dims);
  const int64_t pixels = batch.extent.size();
  visit_bits(LabelTypes{}, src, kOp, "mask", [&](auto tag) {  // non-negative values equal their unsigned bits
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      filter_label(inner, scratch, images.image<T>(i, scratch), pixels, bound, dst.as<T>() + i * pixels);
    });
  });
}

}  // namespace

void remove_small_objects(const Context& context, const TensorView& src, int64_t size, int64_t connectivity,
                          int spatial_dims, const TensorView& dst) {
  remove_objects(context, src, size, connectivity, spatial_dims, dst, filter_components,
                 [](auto&&... args) { filter_labels(args...); });
}

void remove_small_objects_ref(const Context& context, const TensorView& src, int64_t size, int64_t connectivity,
                              int spatial_dims, const TensorView& dst) {
  remove_objects(context, src, size, connectivity, spatial_dims, dst, filter_components_ref,
                 [](const Context&, Scratch&, const auto* image, int64_t n, int64_t bound, auto* out) {
                   using T = std::decay_t<decltype(*out)>;
                   std::vector<T> sorted(image, image + n);
                   std::sort(sorted.begin(), sorted.end());
                   for (int64_t p = 0; p < n; ++p) {
                     const auto same = std::equal_range(sorted.begin(), sorted.end(), image[p]);
                     out[p] = same.second - same.first > bound ? image[p] : T{0};
                   }
                 });
}

}  // namespace fastcnn
