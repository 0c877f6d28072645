// The oracle: the definition in watershed.cpp as three fixed points, with sweeps over the image until nothing changes.
// O(pixels x longest path). Only the order of pixel values matters, so values are replaced by their rank, and one
// instance works for every dtype.
#include <algorithm>
#include <vector>

#include "core/comparable.h"
#include "core/connectivity.h"
#include "core/dtypes.h"
#include "core/image_batch.h"
#include "core/nonzero.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/flooding.h"

namespace fastcnn {
namespace {

// NaN floods last; both zeros are one.
template <class T>
bool before(T a, T b) {
  return a < b || (a == a && b != b);
}

using Numbers = std::vector<int64_t>;

template <class T>
Numbers numbered(const T* values, int64_t n) {
  std::vector<T> sorted(values, values + n);
  std::sort(sorted.begin(), sorted.end(), before<T>);
  Numbers numbers(n);
  for (int64_t p = 0; p < n; ++p)
    numbers[p] = std::lower_bound(sorted.begin(), sorted.end(), values[p], before<T>) - sorted.begin();
  return numbers;
}

class Reference {
 public:
  Reference(const Numbers& image, const Numbers& markers, const std::vector<char>& inside, Extent e, int rank)
      : image_(image), markers_(markers), inside_(inside), e_(e), rank_(rank) {}

  Numbers run(bool line) {
    const int64_t n = e_.size();
    Numbers level = image_, labels(n);
    std::vector<char> reached(n);
    for (int64_t p = 0; p < n; ++p) reached[p] = root(p);
    for (bool changed = true; changed;) {
      changed = false;
      for (int64_t p = 0; p < n; ++p) {
        if (!inside_[p] || root(p)) continue;
        each_neighbor(p, [&](int64_t q) {
          if (!reached[q]) return;
          const int64_t through = std::max(image_[p], level[q]);
          if (reached[p] && through >= level[p]) return;
          level[p] = through;
          reached[p] = changed = true;
        });
      }
    }

    std::vector<int64_t> generation(n, n);
    for (bool changed = true; changed;) {
      changed = false;
      for (int64_t p = 0; p < n; ++p) {
        if (!reached[p]) continue;
        int64_t minimum = root(p) ? 0 : generation[p];
        each_neighbor(p, [&](int64_t q) {
          if (!reached[q] || root(p)) return;
          if (level[q] < level[p]) minimum = 0;
          if (level[q] == level[p]) minimum = std::min(minimum, generation[q] + 1);
        });
        changed = changed || minimum < generation[p];
        generation[p] = minimum;
      }
    }

    // Raster order resolves ties of level and generation.
    const auto smaller = [&](int64_t a, int64_t b) {
      if (level[a] != level[b]) return level[a] < level[b];
      return generation[a] != generation[b] ? generation[a] < generation[b] : a < b;
    };
    for (int64_t p = 0; p < n; ++p) {
      int64_t at = p;
      while (reached[at] && !root(at)) {
        int64_t parent = -1;
        each_neighbor(at, [&](int64_t q) {
          if (reached[q] && (parent < 0 || smaller(q, parent))) parent = q;
        });
        at = parent;
      }
      labels[p] = reached[p] ? markers_[at] : 0;
    }
    if (!line) return labels;
    const Numbers full = labels;
    for (int64_t p = 0; p < n; ++p) {
      if (!reached[p] || root(p)) continue;
      each_neighbor(p, [&](int64_t q) {
        if (reached[q] && full[q] != full[p] && (root(q) || smaller(q, p))) labels[p] = 0;
      });
    }
    return labels;
  }

 private:
  bool root(int64_t p) const { return inside_[p] && markers_[p] != 0; }

  template <class F>
  void each_neighbor(int64_t p, const F& visit) const {
    const int64_t x = p % e_.width, y = p / e_.width % e_.height, z = p / e_.width / e_.height;
    for (int64_t dz = -1; dz <= 1; ++dz)
      for (int64_t dy = -1; dy <= 1; ++dy)
        for (int64_t dx = -1; dx <= 1; ++dx) {
          const int64_t moved = dz * dz + dy * dy + dx * dx;
          if (moved == 0 || moved > rank_ || z + dz < 0 || z + dz >= e_.depth || y + dy < 0 || y + dy >= e_.height ||
              x + dx < 0 || x + dx >= e_.width)
            continue;
          visit(p + (dz * e_.height + dy) * e_.width + dx);
        }
  }

  const Numbers &image_, &markers_;
  const std::vector<char>& inside_;
  Extent e_;
  int rank_;
};

}  // namespace

void watershed_ref(const Context&, const TensorView& image, const TensorView& markers, const TensorView* mask,
                   int64_t connectivity, bool watershed_line, int spatial_dims, const TensorView& labels) {
  constexpr char op[] = "watershed";
  const BatchShape batch(image, spatial_dims, op, "image");
  const int rank = connectivity_rank(connectivity, spatial_dims, op);
  const int64_t n = batch.extent.size();
  const ImageSource pixels(image, spatial_dims), seeds(markers, spatial_dims);
  for (int64_t i = 0; i < batch.count; ++i) {
    Scratch scratch(serial_context());
    std::vector<char> inside(n, 1);
    if (mask)
      visit_truth(AllTypes{}, *mask, op, "mask", [&](auto tag) {
        using M = typename decltype(tag)::type;
        const M* values = ImageSource(*mask, spatial_dims).template image<M>(i, scratch);
        for (int64_t p = 0; p < n; ++p) inside[p] = is_nonzero(values[p]);
      });
    Numbers relief;
    visit(AllTypes{}, image, op, "image",
          [&](auto tag) { relief = numbered(comparable<typename decltype(tag)::type>(pixels, i, n, scratch), n); });
    visit_bits(IntegerTypes{}, markers, op, "markers", [&](auto tag) {
      using Label = typename decltype(tag)::type;
      const Label* values = seeds.image<Label>(i, scratch);
      const Numbers found =
          Reference(relief, Numbers(values, values + n), inside, batch.extent, rank).run(watershed_line);
      std::transform(found.begin(), found.end(), labels.as<Label>() + i * n,
                     [](int64_t label) { return static_cast<Label>(label); });
    });
  }
}

}  // namespace fastcnn
