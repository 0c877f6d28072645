// The oracle: the definition in watershed.cpp as three fix points, swept over the image until nothing changes.
// O(pixels x longest path).
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

template <class T, class Label>
class Reference {
 public:
  Reference(const T* image, const Label* markers, const std::vector<char>& inside, Extent e, int rank)
      : image_(image), markers_(markers), inside_(inside), e_(e), rank_(rank) {}

  void run(bool line, Label* labels) {
    const int64_t n = e_.size();
    std::vector<T> level(image_, image_ + n);
    std::vector<char> reached(n);
    for (int64_t p = 0; p < n; ++p) reached[p] = root(p);
    for (bool changed = true; changed;) {
      changed = false;
      for (int64_t p = 0; p < n; ++p) {
        if (!inside_[p] || root(p)) continue;
        each_neighbor(p, [&](int64_t q) {
          if (!reached[q]) return;
          const T through = before(image_[p], level[q]) ? level[q] : image_[p];
          if (reached[p] && !before(through, level[p])) return;
          level[p] = through;
          reached[p] = changed = true;
        });
      }
    }

    const auto lower = [&](int64_t a, int64_t b) { return before(level[a], level[b]); };
    std::vector<int64_t> generation(n, n);
    for (bool changed = true; changed;) {
      changed = false;
      for (int64_t p = 0; p < n; ++p) {
        if (!reached[p]) continue;
        int64_t least = root(p) ? 0 : generation[p];
        each_neighbor(p, [&](int64_t q) {
          if (!reached[q] || root(p)) return;
          if (lower(q, p)) least = 0;
          if (!lower(q, p) && !lower(p, q)) least = std::min(least, generation[q] + 1);
        });
        changed = changed || least < generation[p];
        generation[p] = least;
      }
    }

    // Raster order settles what level and generation leave open.
    const auto smaller = [&](int64_t a, int64_t b) {
      if (lower(a, b) || lower(b, a)) return lower(a, b);
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
      labels[p] = reached[p] ? markers_[at] : Label(0);
    }
    if (!line) return;
    const std::vector<Label> full(labels, labels + n);
    for (int64_t p = 0; p < n; ++p) {
      if (!reached[p] || root(p)) continue;
      each_neighbor(p, [&](int64_t q) {
        if (reached[q] && full[q] != full[p] && (root(q) || smaller(q, p))) labels[p] = 0;
      });
    }
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

  const T* image_;
  const Label* markers_;
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
  visit_bits(IntegerTypes{}, markers, op, "markers", [&](auto label_tag) {
    using Label = typename decltype(label_tag)::type;
    visit(AllTypes{}, image, op, "image", [&](auto tag) {
      using T = typename decltype(tag)::type;
      for (int64_t i = 0; i < batch.count; ++i) {
        Scratch scratch(serial_context());
        std::vector<char> inside(n, 1);
        if (mask)
          visit_truth(AllTypes{}, *mask, op, "mask", [&](auto mask_tag) {
            using M = typename decltype(mask_tag)::type;
            const M* values = ImageSource(*mask, spatial_dims).template image<M>(i, scratch);
            for (int64_t p = 0; p < n; ++p) inside[p] = is_nonzero(values[p]);
          });
        Reference<Comparable<T>, Label>(comparable<T>(pixels, i, n, scratch), seeds.image<Label>(i, scratch), inside,
                                        batch.extent, rank)
            .run(watershed_line, labels.as<Label>() + i * n);
      }
    });
  });
}

}  // namespace fastcnn
