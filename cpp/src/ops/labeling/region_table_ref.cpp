#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "fastcnn/ops/labeling.h"
#include "ops/labeling/region_table_checks.h"

namespace fastcnn {
namespace {

/// One row: everything about one label of one image.
template <class V>
void measure_label(const std::vector<int64_t>& labels, const V* intensity, const Extent& extent, int spatial_dims,
                   int64_t label, const RegionTableViews& dst, int64_t at) {
  int64_t area = 0, argmin = -1, argmax = -1;
  double sum = 0, sums[3] = {}, low[3] = {}, high[3] = {};
  for (int64_t p = 0; p < extent.size(); ++p) {
    if (labels[p] != label) continue;
    const int64_t position[] = {p % extent.width, p / extent.width % extent.height, p / extent.width / extent.height};
    for (int k = 0; k < 3; ++k) {
      const auto x = static_cast<double>(position[k]);
      sums[k] += x;
      low[k] = area ? std::min(low[k], x) : x;
      high[k] = std::max(high[k], x + 1);
    }
    ++area;
    if (!intensity) continue;
    sum += static_cast<double>(intensity[p]);
    const auto is_nan = [&](int64_t q) { return std::isnan(static_cast<double>(intensity[q])); };
    if (argmin < 0 || (!is_nan(argmin) && (is_nan(p) || intensity[p] < intensity[argmin]))) argmin = p;
    if (argmax < 0 || (!is_nan(argmax) && (is_nan(p) || intensity[p] > intensity[argmax]))) argmax = p;
  }
  dst.area.as<int64_t>()[at] = area;
  for (int k = 0; k < spatial_dims; ++k) {
    dst.bbox.as<float>()[at * 2 * spatial_dims + k] = static_cast<float>(low[k]);
    dst.bbox.as<float>()[at * 2 * spatial_dims + spatial_dims + k] = static_cast<float>(high[k]);
    dst.centroid.as<float>()[at * spatial_dims + spatial_dims - 1 - k] =
        area ? static_cast<float>(sums[k] / static_cast<double>(area)) : 0;
  }
  if (!intensity) return;
  using Mean = MeanOf<V>;
  dst.intensity_mean.as<Mean>()[at] = area ? from_double<Mean>(sum / static_cast<double>(area)) : Mean{};
  dst.intensity_min.as<V>()[at] = area ? intensity[argmin] : V{};
  dst.intensity_max.as<V>()[at] = area ? intensity[argmax] : V{};
  dst.argmin.as<int64_t>()[at] = argmin;
  dst.argmax.as<int64_t>()[at] = argmax;
}

}  // namespace

void region_table_ref(const Context& context, const TensorView& labels, const TensorView* intensity, int spatial_dims,
                      const RegionTableViews& dst) {
  const RegionTableCall call(labels, intensity, spatial_dims, dst);
  const Extent& extent = call.batch.extent;
  const ImageSource images(labels, spatial_dims);
  for_each_image(context, call.batch.count, [&](const Context& inner, int64_t i) {
    Scratch scratch(inner);
    std::vector<int64_t> numbers;
    visit(LabelTypes{}, labels, kRegionTable, "labels", [&](auto tag) {
      const auto* image = images.image<typename decltype(tag)::type>(i, scratch);
      std::transform(image, image + extent.size(), std::back_inserter(numbers),
                     [](auto label) { return static_cast<int64_t>(label); });
    });
    int64_t largest = 0;
    for (const int64_t label : numbers) largest = std::max(largest, label);
    dst.count.as<int32_t>()[i] = static_cast<int32_t>(std::min<int64_t>(largest, INT32_MAX));
    const auto measure = [&](const auto* values) {
      for (int64_t n = 0; n < call.maximum; ++n)
        measure_label(numbers, values, extent, spatial_dims, n + 1, dst, i * call.maximum + n);
    };
    if (!intensity) return measure(static_cast<const float*>(nullptr));
    const ImageSource intensities(*intensity, spatial_dims);
    visit(AllTypes{}, *intensity, kRegionTable, "intensity",
          [&](auto tag) { measure(intensities.image<typename decltype(tag)::type>(i, scratch)); });
  });
}

}  // namespace fastcnn
