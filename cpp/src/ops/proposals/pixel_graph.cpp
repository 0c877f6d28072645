// P. Felzenszwalb, D. Huttenlocher, "Efficient graph-based image segmentation", 2004. Two segments are merged if the
// cheapest edge between them costs less than both thresholds: the most expensive edge within a segment plus scale /
// size. Edges are therefore processed by increasing cost, as in Kruskal's algorithm. Then segments below min_size join
// the neighbour across their cheapest edge. O(pixels): a radix sort orders costs by their 32-bit floats, and by all
// bits if those are equal.
#include "ops/proposals/pixel_graph.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/filtering.h"

namespace fastcnn::proposals {
namespace {

/// The factor that scales a dtype's values, as in scikit-image's img_as_float. (That function also shifts signed
/// integers by half a step, which does not affect differences.)
template <class T>
constexpr double unit_range() {
  if constexpr (std::is_same_v<T, bool> || !std::is_integral_v<T>)
    return 1;
  else if constexpr (std::is_unsigned_v<T>)
    return 1 / static_cast<double>(std::numeric_limits<T>::max());
  else
    return 2 /
           (static_cast<double>(std::numeric_limits<T>::max()) - static_cast<double>(std::numeric_limits<T>::min()));
}

uint32_t key_of(double cost) {
  const auto rounded = static_cast<float>(cost);
  uint32_t bits;
  std::memcpy(&bits, &rounded, sizeof bits);
  return bits;
}

float value_of(uint32_t key) {
  float value;
  std::memcpy(&value, &key, sizeof value);
  return value;
}

uint32_t root_of(uint32_t* parents, uint32_t p) {
  while (parents[p] != p) {
    parents[p] = parents[parents[p]];
    p = parents[p];
  }
  return p;
}

}  // namespace

void read_planes(const Context& context, const TensorView& image, int64_t index, double* planes) {
  int64_t size = 1;
  for (int d = image.ndim - 3; d < image.ndim; ++d) size *= image.shape[d];
  const ImageSource source(image, 3);
  visit(AllTypes{}, dtype_of(image), [&](auto tag) {
    using T = typename decltype(tag)::type;
    Scratch scratch(context);
    const T* values = source.image<T>(index, scratch);
    context.parallel_for(0, size, 65536, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) planes[i] = static_cast<double>(values[i]) * unit_range<T>();
    });
  });
}

void blur(const Context& context, double* planes, int64_t channels, int64_t height, int64_t width, double sigma) {
  const int64_t shape[3] = {channels, height, width};
  Scratch scratch(context);
  TensorView from, to;
  from.ndim = to.ndim = 3, from.shape = to.shape = shape, from.dtype = to.dtype = data_type(DType::float64);
  from.data = planes;
  to.data = scratch.get<double>(channels * height * width);
  gaussian_blur(context, from, {{sigma, sigma}}, to);
  std::copy_n(to.as<double>(), channels * height * width, planes);
}

/// A stable sort by key; `other` has the same length. Returns the location of the result.
PixelGraph::Edge* PixelGraph::sort_by_key(Edge* edges, Edge* other, int64_t n) {
  constexpr int kDigits = 3, kBits[kDigits] = {11, 10, 10};  // the sign is 0
  int shift = 0;
  for (const int bits : kBits) {
    int64_t begin[1 << 11] = {};
    const uint32_t mask = (1u << bits) - 1;
    for (int64_t i = 0; i < n; ++i) ++begin[edges[i].key >> shift & mask];
    int64_t sum = 0;
    bool one = false;
    for (uint32_t d = 0; d <= mask; ++d) {
      one |= begin[d] == n;
      const int64_t count = begin[d];
      begin[d] = sum;
      sum += count;
    }
    if (!one) {
      for (int64_t i = 0; i < n; ++i) other[begin[edges[i].key >> shift & mask]++] = edges[i];
      std::swap(edges, other);
    }
    shift += bits;
  }
  return edges;
}

PixelGraph::PixelGraph(const Context& context, const double* planes, int64_t channels, int64_t height, int64_t width)
    : scratch_(context), pixels_(height * width), width_(width) {
  costs_ = scratch_.get<double>(4 * pixels_);
  edges_ = scratch_.get<Edge>(4 * pixels_);
  context.parallel_for(0, height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      // The differences' squares from row a to row b, n pixels.
      const auto difference = [&](int64_t direction, int64_t a, int64_t b, int64_t n) {
        double* sums = costs_ + direction * pixels_ + y * width;
        for (int64_t c = 0; c < channels; ++c) {
          const double *p = planes + c * pixels_ + a, *q = planes + c * pixels_ + b;
          for (int64_t x = 0; x < n; ++x) {
            const double d = p[x] - q[x];
            sums[x] = c == 0 ? d * d : sums[x] + d * d;
          }
        }
        for (int64_t x = 0; x < n; ++x) {
          const double cost = std::sqrt(sums[x]);
          sums[x] = cost == cost ? cost : std::numeric_limits<double>::infinity();
        }
      };
      const int64_t row = y * width;
      difference(0, row, row + 1, width - 1);
      if (y + 1 == height) continue;
      difference(1, row, row + width, width);
      difference(2, row, row + width + 1, width - 1);
      difference(3, row + 1, row + width, width - 1);
    }
  });
  Scratch scratch(context);
  auto* edges = scratch.get<Edge>(4 * pixels_);
  for (int64_t direction = 0; direction < 4; ++direction) {
    const int64_t rows = direction == 0 ? height : height - 1, columns = direction == 1 ? width : width - 1;
    for (int64_t y = 0; y < rows; ++y)
      for (int64_t x = 0; x < columns; ++x) {
        const int64_t number = direction * pixels_ + y * width + x;
        edges[count_++] = {key_of(costs_[number]), static_cast<uint32_t>(number)};
      }
  }
  const Edge* sorted = sort_by_key(edges, edges_, count_);
  if (sorted != edges_) std::copy_n(sorted, count_, edges_);
  const auto less = [&](const Edge& a, const Edge& b) {
    return costs_[a.number] != costs_[b.number] ? costs_[a.number] < costs_[b.number] : a.number < b.number;
  };
  for (int64_t i = 0, j; i < count_; i = j) {
    for (j = i + 1; j < count_ && edges_[j].key == edges_[i].key;) ++j;
    if (j > i + 1 && !std::is_sorted(edges_ + i, edges_ + j, less)) std::sort(edges_ + i, edges_ + j, less);
  }
}

void PixelGraph::ends(uint32_t number, uint32_t& from, uint32_t& to) const {
  const auto pixels = static_cast<uint32_t>(pixels_), width = static_cast<uint32_t>(width_);
  const uint32_t direction = (number >= pixels) + (number >= 2 * pixels) + (number >= 3 * pixels);
  from = number - direction * pixels + (direction == 3);
  const uint32_t steps[4] = {1, width, width + 1, width - 1};
  to = from + steps[direction];
}

int64_t PixelGraph::segment(const Context& context, double scale, int64_t min_size, int32_t* labels) const {
  scale /= 255;  // of values in [0, 1]
  Scratch scratch(context);
  auto* parents = scratch.get<uint32_t>(pixels_);
  auto* sizes = scratch.get<int32_t>(pixels_);
  // In single precision, as scikit-image has it; compared in double.
  auto* thresholds = scratch.get<float>(pixels_);
  for (int64_t p = 0; p < pixels_; ++p) parents[p] = static_cast<uint32_t>(p);
  std::fill_n(sizes, pixels_, 1);
  std::fill_n(thresholds, pixels_, static_cast<float>(scale));
  const auto unite = [&](uint32_t a, uint32_t b) {
    if (sizes[a] < sizes[b]) std::swap(a, b);
    parents[b] = a;
    sizes[a] += sizes[b];
    return a;
  };
  auto* between = scratch.get<uint32_t>(count_);  // edges that did not join
  int64_t left = 0;
  for (int64_t i = 0; i < count_; ++i) {
    uint32_t a, b;
    ends(edges_[i].number, a, b);
    a = root_of(parents, a), b = root_of(parents, b);
    if (a == b) continue;
    const float threshold = std::min(thresholds[a], thresholds[b]), rounded = value_of(edges_[i].key);
    const uint32_t number = edges_[i].number;
    if (rounded < threshold || (rounded == threshold && costs_[number] < static_cast<double>(threshold))) {
      a = unite(a, b);
      thresholds[a] = static_cast<float>(costs_[number] + scale / static_cast<double>(sizes[a]));
    } else {
      between[left++] = number;
    }
  }
  for (int64_t i = 0; i < left; ++i) {
    uint32_t a, b;
    ends(between[i], a, b);
    a = root_of(parents, a), b = root_of(parents, b);
    if (a != b && (sizes[a] < min_size || sizes[b] < min_size)) unite(a, b);
  }
  int32_t* numbers = sizes;  // no longer needed
  std::fill_n(numbers, pixels_, -1);
  int32_t count = 0;
  for (int64_t p = 0; p < pixels_; ++p) {
    int32_t& number = numbers[root_of(parents, static_cast<uint32_t>(p))];
    if (number < 0) number = count++;
    labels[p] = number;
  }
  return count;
}

}  // namespace fastcnn::proposals
