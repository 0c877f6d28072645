// Peaks: equal to the maximum of their window, above the threshold, thinned to the distance. skimage.feature
// .peak_local_max with exclude_border=False, rule for rule, except that with labels all peaks are ordered together.
// O(pixels) for the window's maximum, O(n log n) in the candidates. Scratch memory: the image's item size per pixel,
// and 8 bytes per candidate.
#include <algorithm>
#include <type_traits>
#include <unordered_map>

#include "core/comparable.h"
#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/morphology.h"
#include "fastcnn/ops/peaks.h"

namespace fastcnn {
namespace {

constexpr char kOp[] = "peak_local_max";

struct Point {
  int64_t z, y, x;
};

Point point_of(int64_t p, Extent e) { return {p / e.width / e.height, p / e.width % e.height, p % e.width}; }

// The labels of one image as int64, converted from any dtype.
class Labels {
 public:
  template <class T>
  Labels(const T* labels, Extent e)
      : extent_(e), data_(labels), read_([](const void* data, int64_t p) {
          const T label = static_cast<const T*>(data)[p];
          return label > 0 ? static_cast<int64_t>(label) : int64_t{0};
        }) {}
  /// Equal where labels are, 0 where there is none.
  int64_t operator[](int64_t p) const { return read_(data_, p); }

  /// True if an opening with the smallest cross removes this pixel from its label.
  bool isolated(int64_t p) const {
    if (core(p)) return false;
    bool beside = false;
    each_neighbor(p, [&](int64_t q) { beside = beside || (q >= 0 && (*this)[q] == (*this)[p] && core(q)); });
    return !beside;
  }

 private:
  template <class F>
  void each_neighbor(int64_t p, const F& visit) const {
    const Point at = point_of(p, extent_);
    visit(at.x > 0 ? p - 1 : -1);
    visit(at.x + 1 < extent_.width ? p + 1 : -1);
    visit(at.y > 0 ? p - extent_.width : -1);
    visit(at.y + 1 < extent_.height ? p + extent_.width : -1);
    if (extent_.depth == 1) return;
    const int64_t slice = extent_.width * extent_.height;
    visit(at.z > 0 ? p - slice : -1);
    visit(at.z + 1 < extent_.depth ? p + slice : -1);
  }
  bool core(int64_t p) const {
    bool all = true;
    each_neighbor(p, [&](int64_t q) { all = all && q >= 0 && (*this)[q] == (*this)[p]; });
    return all;
  }

  Extent extent_;
  const void* data_;
  int64_t (*read_)(const void*, int64_t);
};

// Greedy, in order: a peak is removed if an earlier peak (of its label) is nearer than min_distance. The kept peaks are
// stored in cells of that size, so only neighbouring cells can contain peaks that are too near.
void thin(std::vector<int64_t>& peaks, const Extent& e, int64_t d, const Labels* labels) {
  const int64_t rows = e.height / d + 1, columns = e.width / d + 1;
  std::unordered_map<int64_t, std::vector<int64_t>> cells;
  const auto near = [&](int64_t p) {
    const Point a = point_of(p, e);
    for (int64_t z = a.z / d - 1; z <= a.z / d + 1; ++z)
      for (int64_t y = a.y / d - 1; y <= a.y / d + 1; ++y)
        for (int64_t x = a.x / d - 1; x <= a.x / d + 1; ++x) {
          if (z < 0 || y < 0 || x < 0 || y >= rows || x >= columns) continue;
          const auto cell = cells.find((z * rows + y) * columns + x);
          if (cell == cells.end()) continue;
          for (const int64_t q : cell->second) {
            const Point b = point_of(q, e);
            if (std::abs(a.z - b.z) < d && std::abs(a.y - b.y) < d && std::abs(a.x - b.x) < d &&
                (!labels || (*labels)[p] == (*labels)[q]))
              return true;
          }
        }
    return false;
  };
  std::vector<int64_t> kept;
  for (const int64_t p : peaks) {
    if (near(p)) continue;
    const Point a = point_of(p, e);
    cells[(a.z / d * rows + a.y / d) * columns + a.x / d].push_back(p);
    kept.push_back(p);
  }
  peaks.swap(kept);
}

template <class T>
class Finder {
 public:
  Finder(const T* image, const T* window_max, Extent e, const Peaks& options, const Labels* labels)
      : image_(image), window_max_(window_max), e_(e), options_(options), labels_(labels) {}

  /// Linear indices, in the order of the result.
  std::vector<int64_t> find() {
    std::vector<int64_t> peaks = labels_ ? labelled_candidates() : candidates();
    const auto low = std::remove_if(peaks.begin(), peaks.end(), [&](int64_t p) { return !above_threshold(image_[p]); });
    peaks.erase(low, peaks.end());
    std::sort(peaks.begin(), peaks.end(),
              [&](int64_t a, int64_t b) { return image_[a] > image_[b] || (image_[a] == image_[b] && a < b); });
    if (options_.min_distance > 1) thin(peaks, e_, options_.min_distance, labels_);
    return peaks;
  }

 private:
  std::vector<int64_t> candidates() {
    min_ = image_[0];
    for (int64_t p = 0; p < e_.size(); ++p)
      if (image_[p] < min_ || min_ != min_) min_ = image_[p];
    std::vector<int64_t> found;
    for (int64_t p = 0; p < e_.size(); ++p)
      if (image_[p] == window_max_[p]) found.push_back(p);
    // If every pixel is a candidate, as in a constant image, there is no peak (unless there is only one pixel).
    if (static_cast<int64_t>(found.size()) == e_.size() && e_.size() > 1) found.clear();
    return found;
  }

  std::vector<int64_t> labelled_candidates() {
    min_ = image_[0];
    struct Count {
      int64_t pixels = 0, candidates = 0;
    };
    std::unordered_map<int64_t, Count> counts;
    std::vector<int64_t> found;
    int64_t current = 0;
    Count* count = nullptr;
    for (int64_t p = 0; p < e_.size(); ++p) {
      if (image_[p] < min_ || min_ != min_) min_ = image_[p];
      const int64_t label = (*labels_)[p];
      if (label == 0) continue;
      if (!count || label != current) {
        count = &counts[label];
        current = label;
      }
      count->pixels++;
      if (image_[p] == window_max_[p] || highest_of_label(p, label)) {
        count->candidates++;
        found.push_back(p);
      }
    }
    const auto trivial = std::remove_if(found.begin(), found.end(), [&](int64_t p) {
      const Count& c = counts[(*labels_)[p]];
      return c.pixels == c.candidates && c.pixels > 1 && !labels_->isolated(p);
    });
    found.erase(trivial, found.end());
    return found;
  }

  // The window's maximum may belong to another label. Near pixels are checked first because they decide most cases.
  bool highest_of_label(int64_t p, int64_t label) const {
    const T value = image_[p];
    if (value != value) return false;
    const Point at = point_of(p, e_);
    const auto highest_within = [&](int64_t r) {
      for (int64_t z = std::max<int64_t>(0, at.z - r); z <= std::min(e_.depth - 1, at.z + r); ++z)
        for (int64_t y = std::max<int64_t>(0, at.y - r); y <= std::min(e_.height - 1, at.y + r); ++y)
          for (int64_t x = std::max<int64_t>(0, at.x - r); x <= std::min(e_.width - 1, at.x + r); ++x) {
            const int64_t q = (z * e_.height + y) * e_.width + x;
            if (!(image_[q] <= value) && (*labels_)[q] == label) return false;
          }
      return true;
    };
    return highest_within(1) && highest_within(options_.min_distance);
  }

  bool above_threshold(T value) const {
    return options_.threshold_abs ? static_cast<double>(value) > *options_.threshold_abs : value > min_;
  }

  const T *image_, *window_max_;
  Extent e_;
  const Peaks& options_;
  const Labels* labels_;
  T min_{};
};

// Calls receive(image index, peaks) for every image of the batch, in any order.
template <class Receive>
void each_image(const Context& context, const TensorView& src, Peaks options, const TensorView* labels,
                const Receive& receive) {
  const BatchShape batch(src, options.spatial_dims, kOp, "image");
  FASTCNN_CHECK(options.min_distance >= 1, kOp, ": expected min_distance of at least 1, got ", options.min_distance);
  if (labels) {
    check_same_shape(src, *labels, kOp, "labels");
    visit(IntegerTypes{}, *labels, kOp, "labels", [](auto) {});
  }
  const ImageSource source(src, options.spatial_dims);
  const Extent e = batch.extent;
  // All pixels are nearer than the longest side.
  options.min_distance = std::min(options.min_distance, std::max({e.depth, e.height, e.width, int64_t{1}}));
  visit(AllTypes{}, src, kOp, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const Comparable<T>* image = comparable<T>(source, i, e.size(), scratch);
      auto* window_max = scratch.get<Comparable<T>>(e.size());
      const int64_t shape[] = {e.depth, e.height, e.width};
      TensorView from;
      from.data = const_cast<Comparable<T>*>(image);
      from.ndim = 3;
      from.shape = shape;
      from.dtype = data_type(TypeToDType<Comparable<T>>::value);
      TensorView to = from;
      to.data = window_max;
      // Not wider than the image, because the core's running maximum would also process the outside.
      const auto window = [&](int64_t n) { return 2 * std::min(options.min_distance, n) + 1; };
      const Footprint box{options.spatial_dims == 3 ? window(e.depth) : 1, window(e.height), window(e.width), nullptr};
      dilation(inner, from, 3, box, Border::geodesic, 0, to);
      if (!labels) {
        receive(i, Finder<Comparable<T>>(image, window_max, e, options, nullptr).find());
        return;
      }
      const ImageSource label_source(*labels, options.spatial_dims);
      visit(IntegerTypes{}, *labels, kOp, "labels", [&](auto label_tag) {
        using L = typename decltype(label_tag)::type;
        const Labels view(label_source.image<L>(i, scratch), e);
        receive(i, Finder<Comparable<T>>(image, window_max, e, options, &view).find());
      });
    });
  });
}

}  // namespace

std::vector<int64_t> peak_local_max(const Context& context, const TensorView& src, const Peaks& options,
                                    const TensorView* labels) {
  const BatchShape batch(src, options.spatial_dims, kOp, "image");
  std::vector<std::vector<int64_t>> found(batch.count);
  each_image(context, src, options, labels,
             [&](int64_t i, std::vector<int64_t> peaks) { found[i] = std::move(peaks); });
  const int leading = src.ndim - options.spatial_dims;
  std::vector<int64_t> rows;
  std::vector<int64_t> row(src.ndim);
  for (int64_t i = 0; i < batch.count; ++i) {
    for (int64_t rest = i, d = leading - 1; d >= 0; --d) {
      row[d] = rest % src.shape[d];
      rest /= src.shape[d];
    }
    for (const int64_t p : found[i]) {
      const Point at = point_of(p, batch.extent);
      if (options.spatial_dims == 3) row[leading] = at.z;
      row[src.ndim - 2] = at.y;
      row[src.ndim - 1] = at.x;
      rows.insert(rows.end(), row.begin(), row.end());
    }
  }
  return rows;
}

void peak_local_max_padded(const Context& context, const TensorView& src, const Peaks& options,
                           const TensorView* labels, const TensorView& coordinates, const TensorView& counts) {
  const BatchShape batch(src, options.spatial_dims, kOp, "image");
  check_output(coordinates, DType::int64, kOp, "coordinates");
  check_output(counts, DType::int64, kOp, "counts");
  FASTCNN_CHECK(coordinates.ndim == src.ndim - options.spatial_dims + 2, kOp,
                ": expected coordinates of shape (batch..., max_peaks, ", options.spatial_dims, "), got ",
                shape_text(coordinates));
  std::fill_n(coordinates.as<int64_t>(), coordinates.numel(), -1);
  std::fill_n(counts.as<int64_t>(), counts.numel(), 0);
  const int64_t maximum = coordinates.shape[coordinates.ndim - 2], dims = options.spatial_dims;
  each_image(context, src, options, labels, [&](int64_t i, const std::vector<int64_t>& peaks) {
    const int64_t n = std::min<int64_t>(maximum, static_cast<int64_t>(peaks.size()));
    counts.as<int64_t>()[i] = n;
    int64_t* row = coordinates.as<int64_t>() + i * maximum * dims;
    for (int64_t k = 0; k < n; ++k) {
      const Point at = point_of(peaks[k], batch.extent);
      if (dims == 3) *row++ = at.z;
      *row++ = at.y;
      *row++ = at.x;
    }
  });
}

}  // namespace fastcnn
