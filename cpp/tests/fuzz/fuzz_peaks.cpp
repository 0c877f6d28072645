// Compares local_maxima and local_minima with the reference, and peak_local_max with its definition in this file.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "core/image_batch.h"
#include "fastcnn/ops/peaks.h"
#include "fuzz.h"

namespace fuzz {
namespace {

/// The coordinates of the peaks by definition, for every image separately.
std::vector<int64_t> peaks_of(const Tensor& image, const Peaks& o, const Tensor* labels) {
  const size_t leading = image.shape().size() - static_cast<size_t>(o.spatial_dims);
  Extent e;
  e.depth = o.spatial_dims == 3 ? image.shape()[leading] : 1;
  e.height = image.shape()[image.shape().size() - 2], e.width = image.shape().back();
  const int64_t images = e.size() ? image.numel() / e.size() : 0;
  std::vector<int64_t> rows;
  for (int64_t b = 0; b < images; ++b) {
    std::vector<double> values(static_cast<size_t>(e.size())), names(values.size(), 1.0);
    for (size_t p = 0; p < values.size(); ++p) {
      const int64_t at = b * e.size() + static_cast<int64_t>(p);
      values[p] = image[at];
      if (labels) names[p] = (*labels)[at];
    }
    const auto value = [&](int64_t p) { return values[static_cast<size_t>(p)]; };
    const auto label = [&](int64_t p) { return names[static_cast<size_t>(p)]; };
    const auto apart = [&](int64_t p, int64_t q) {
      const int64_t dx = std::abs(p % e.width - q % e.width),
                    dy = std::abs(p / e.width % e.height - q / e.width % e.height),
                    dz = std::abs(p / e.width / e.height - q / e.width / e.height);
      return std::max({dx, dy, dz});
    };
    double minimum = value(0);
    for (int64_t p = 0; p < e.size(); ++p)
      if (value(p) < minimum || minimum != minimum) minimum = value(p);
    std::vector<int64_t> candidates;
    std::map<double, std::pair<int64_t, int64_t>> counts;  // pixels and candidates of a label
    for (int64_t p = 0; p < e.size(); ++p) {
      if (!(label(p) > 0)) continue;
      bool highest = value(p) == value(p);
      for (int64_t q = 0; q < e.size() && highest; ++q)
        if (apart(p, q) <= o.min_distance && label(q) == label(p)) highest = value(q) <= value(p);
      ++counts[label(p)].first;
      if (!highest) continue;
      ++counts[label(p)].second;
      candidates.push_back(p);
    }
    std::vector<int64_t> peaks;
    for (const int64_t p : candidates) {
      const auto [pixels, found] = counts[label(p)];
      if (!labels && pixels == found && pixels > 1) continue;
      if (o.threshold_abs ? value(p) > *o.threshold_abs : value(p) > minimum) peaks.push_back(p);
    }
    std::stable_sort(peaks.begin(), peaks.end(), [&](int64_t p, int64_t q) { return value(p) > value(q); });
    std::vector<int64_t> kept;
    for (const int64_t p : peaks)
      if (std::none_of(kept.begin(), kept.end(),
                       [&](int64_t q) { return apart(p, q) < o.min_distance && label(p) == label(q); }))
        kept.push_back(p);
    for (const int64_t p : kept) {
      std::vector<int64_t> row(leading);
      int64_t rest = b;
      for (size_t d = leading; d-- > 0; rest /= image.shape()[d]) row[d] = rest % image.shape()[d];
      if (o.spatial_dims == 3) row.push_back(p / e.width / e.height);
      row.push_back(p / e.width % e.height), row.push_back(p % e.width);
      rows.insert(rows.end(), row.begin(), row.end());
    }
  }
  return rows;
}

}  // namespace

void run(Input& in) {
  const int64_t op = in.below(3);
  const int dims = in.one_in(3) ? 3 : 2;
  Tensor image(in.dtype(kAll), image_shape(in, dims, in.one_in(16) ? 600 : 160), in);
  image.fill(in);
  in.wild = in.one_in(8);
  const Pieces context(in);
  if (op < 2) {
    const int64_t connectivity = in.wild ? in.number(0, 27) : 1 + in.below(dims);
    Tensor got(DType::boolean, image.shape()), expected(DType::boolean, image.shape());
    Tensor turned(image.dtype(), image.shape());  // minima are the maxima of the other order
    turned.copy(image);
    if (op == 1)
      for (int64_t i = 0; i < image.numel(); ++i) {
        if (is_float(image.dtype())) {
          turned.set(i, -image[i]);
        } else {
          visit(AllTypes{}, image.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            if constexpr (std::is_same_v<T, bool>)
              turned.at<T>(i) = !image.at<T>(i);
            else if constexpr (std::is_integral_v<T>)
              turned.at<T>(i) = static_cast<T>(~image.at<T>(i));
          });
        }
      }
    if (both_run(
            "local_maxima",
            [&] { (op == 0 ? local_maxima : local_minima)(context, image.view(), connectivity, dims, got.view()); },
            [&] { local_maxima_ref(serial_context(), turned.view(), connectivity, dims, expected.view()); }))
      expect_same(op == 0 ? "local_maxima" : "local_minima", got, expected);
    return;
  }
  Peaks options;
  options.spatial_dims = dims;
  options.min_distance = in.number(1, in.one_in(4) ? 40 : 4);
  if (in.one_in(2)) options.threshold_abs = in.real(-4, 4);
  Tensor labels(in.dtype(kIntegers), image.shape(), in);
  const bool labelled = in.one_in(3);
  if (labelled) labels.fill_labels(in, 4);
  const TensorView labels_view = labels.view();
  std::vector<int64_t> found;
  const auto fast = [&] { found = peak_local_max(context, image.view(), options, labelled ? &labels_view : nullptr); };
  if (in.wild) {
    if (!runs(fast)) return;
  } else {
    must_run("peak_local_max", fast);
  }
  // A label of equal pixels has special rules (as in scikit-image), so only the padded variant is compared.
  const bool precise = image.dtype() != DType::int64;
  if (precise && !labelled) expect_equal("peak_local_max", found, peaks_of(image, options, nullptr));
  Sizes batch(image.shape().begin(), image.shape().end() - dims), rows = batch;
  const int64_t maximum = in.below(6);
  rows.insert(rows.end(), {maximum, dims});
  Tensor coordinates(DType::int64, rows), counts(DType::int64, batch);
  peak_local_max_padded(context, image.view(), options, labelled ? &labels_view : nullptr, coordinates.view(),
                        counts.view());
  const auto leading = static_cast<int64_t>(batch.size()), width = leading + dims;
  size_t at = 0;
  for (int64_t b = 0; b < counts.numel(); ++b) {
    int64_t k = 0;
    for (; at < found.size(); at += static_cast<size_t>(width), ++k) {
      int64_t own = 0;
      for (int64_t d = 0; d < leading; ++d)
        own = own * batch[static_cast<size_t>(d)] + found[at + static_cast<size_t>(d)];
      if (own != b) break;
      for (int64_t d = 0; k < maximum && d < dims; ++d)
        expect_equal("peak_local_max_padded", coordinates.at<int64_t>((b * maximum + k) * dims + d),
                     found[at + static_cast<size_t>(leading + d)]);
    }
    expect_equal("peak_local_max_padded's count", counts.at<int64_t>(b), std::min(k, maximum));
    for (; k < maximum; ++k)
      for (int64_t d = 0; d < dims; ++d)
        expect_equal("peak_local_max_padded's end", coordinates.at<int64_t>((b * maximum + k) * dims + d), int64_t{-1});
  }
}

}  // namespace fuzz
