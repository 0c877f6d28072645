// The readable oracle: an ordered map of the values, or of the bins found by a search in the edges.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "core/image_batch.h"
#include "ops/thresholding/otsu.h"
#include "ops/thresholding/threshold_otsu.h"

namespace fastcnn {
namespace {

template <class M, class V, class Number>
V best_of(const Context& context, const std::map<V, int64_t>& histogram, const Number& number) {
  const std::vector<std::pair<V, int64_t>> bins(histogram.begin(), histogram.end());
  Scratch scratch(context);
  const auto at = [&](int64_t i) { return bins[static_cast<size_t>(i)]; };
  return at(otsu_bin<M>(
                static_cast<int64_t>(bins.size()), [&](int64_t i) { return at(i).second; },
                [&](int64_t i) { return number(at(i).first); }, scratch))
      .first;
}

template <class F>
F otsu_floats(const Context& context, std::vector<F> image, int64_t nbins) {
  if (std::all_of(image.begin(), image.end(), [&](F v) { return v == image[0]; })) return image[0];
  const F nan = std::numeric_limits<F>::quiet_NaN();
  for (const F v : image)
    if (!std::isfinite(v)) return nan;
  const auto [minimum, greatest] = std::minmax_element(image.begin(), image.end());
  const int exponent = otsu_exponent(std::max(std::abs(*minimum), std::abs(*greatest)));
  for (F& v : image) v = std::ldexp(v, -exponent);
  std::vector<F> edges(static_cast<size_t>(nbins) + 1);
  nbins = histogram_edges(*minimum, *greatest, nbins, edges.data());
  if (nbins == 1) return std::ldexp(*minimum, exponent);
  edges.resize(static_cast<size_t>(nbins) + 1);
  std::map<F, int64_t> histogram;
  for (const F v : image) {
    const auto above = std::upper_bound(edges.begin(), edges.end() - 1, v);
    ++histogram[(above[-1] + above[0]) / 2];
  }
  return std::ldexp(best_of<F>(context, histogram, [](F v) { return v; }), exponent);
}

}  // namespace

void threshold_otsu_ref(const Context& context, const TensorView& src, int spatial_dims, int64_t nbins,
                        const TensorView& dst) {
  constexpr const char* kOp = "threshold_otsu_ref";
  check_otsu(kOp, src, spatial_dims, nbins, dst);
  const BatchShape batch(src, spatial_dims, kOp, "image");
  const ImageSource source(src, spatial_dims);
  const int64_t size = batch.extent.size();
  visit(OtsuTypes{}, src, kOp, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t b = 0; b < batch.count; ++b) {
      Scratch scratch(context);
      const T* image = source.image<T>(b, scratch);
      T& result = dst.as<T>()[b];
      if constexpr (std::is_integral_v<T>) {
        std::map<T, int64_t> histogram;
        for (int64_t i = 0; i < size; ++i) ++histogram[image[i]];
        result =
            best_of<double>(context, histogram, OtsuOrigin<T>(histogram.begin()->first, histogram.rbegin()->first));
      } else if constexpr (std::is_floating_point_v<T>) {
        result = otsu_floats(context, std::vector<T>(image, image + size), nbins);
      } else {
        const std::vector<float> values(image, image + size);
        result = T::from(otsu_floats(context, values, nbins));
      }
    }
  });
}

}  // namespace fastcnn
