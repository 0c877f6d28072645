// J. Uijlings, K. van de Sande, T. Gevers, A. Smeulders, "Selective search for object recognition", 2013, section 3.
// O(pixels) for the histograms; grouping computes a similarity for each neighbour of each join: O(regions) of them
// where regions have few neighbours, O(regions^2) at worst.
#include "ops/proposals/regions.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <queue>

#include "ops/proposals/pixel_graph.h"

namespace fastcnn::proposals {
namespace {

/// The sum of the element-wise minima. It always has eight partial sums, so that it does not depend on the compiler's
/// vectors.
float intersection(const float* a, const float* b, int64_t n) {
  float parts[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) parts[k] += std::min(a[i + k], b[i + k]);
  for (; i < n; ++i) parts[0] += std::min(a[i], b[i]);
  return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

Box cover(const Box& a, const Box& b) {
  return {std::min(a[0], b[0]), std::min(a[1], b[1]), std::max(a[2], b[2]), std::max(a[3], b[3])};
}

int64_t area(const Box& b) { return int64_t{b[2] - b[0]} * (b[3] - b[1]); }

struct Pair {
  float similarity;
  int32_t a, b;  // a < b
  /// Among equal similarities, the pair with the first regions wins.
  bool operator<(const Pair& o) const {
    if (similarity != o.similarity) return similarity < o.similarity;
    return a != o.a ? a > o.a : b > o.b;
  }
};

}  // namespace

Bins::Bins(const Context& context, const double* planes, int64_t channels_in, int64_t height_in, int64_t width_in)
    : channels(channels_in), height(height_in), width(width_in), scratch_(context) {
  const int64_t pixels = height * width;
  auto* to = scratch_.get<uint8_t>(channels * (1 + kDirections) * pixels);
  data = to;
  Scratch scratch(context);
  auto* smooth = scratch.get<double>(channels * pixels);
  std::copy_n(planes, channels * pixels, smooth);
  blur(context, smooth, channels, height, width, 1);
  auto* steepest = scratch.get<double>(height);
  for (int64_t c = 0; c < channels; ++c) {
    const double* values = planes + c * pixels;
    const double* s = smooth + c * pixels;
    // f(x, derivatives in four directions; the other four are their negatives) of a row.
    const auto each = [&](int64_t y, const auto& f) {
      const double *above = s + std::max<int64_t>(y - 1, 0) * width, *here = s + y * width,
                   *below = s + std::min(y + 1, height - 1) * width;
      for (int64_t x = 0; x < width; ++x) {
        const double gx = (here[std::min(x + 1, width - 1)] - here[std::max<int64_t>(x - 1, 0)]) / 2;
        const double gy = (below[x] - above[x]) / 2, half = std::sqrt(0.5);
        f(x, {gx, half * (gx + gy), gy, half * (gy - gx)});
      }
    };
    using Derivatives = std::array<double, 4>;
    context.parallel_for(0, height, 16, [&](int64_t begin, int64_t end) {
      for (int64_t y = begin; y < end; ++y) {
        double maximum = 0;
        each(y, [&](int64_t, const Derivatives& d) {
          for (const double v : d) maximum = std::max(maximum, std::abs(v));
        });
        steepest[y] = maximum;
      }
    });
    const double maximum = *std::max_element(steepest, steepest + height);
    const double scale = maximum > 0 ? static_cast<double>(kTextures) / maximum : 0;
    context.parallel_for(0, height, 16, [&](int64_t begin, int64_t end) {
      for (int64_t y = begin; y < end; ++y) {
        uint8_t* colors = to + c * (1 + kDirections) * pixels + y * width;
        for (int64_t x = 0; x < width; ++x)
          colors[x] = static_cast<uint8_t>(
              std::min<int64_t>(kColors - 1, static_cast<int64_t>(values[y * width + x] * kColors)));
        each(y, [&](int64_t x, const Derivatives& d) {
          for (int64_t k = 0; k < kDirections; ++k) {
            const double v = (k < 4 ? d[static_cast<size_t>(k)] : -d[static_cast<size_t>(k - 4)]) * scale;
            colors[(1 + k) * pixels + x] =
                v > 0 ? static_cast<uint8_t>(std::min<int64_t>(kTextures - 1, static_cast<int64_t>(v))) : uint8_t{0};
          }
        });
      }
    });
  }
}

Regions::Regions(const Context& context, const int32_t* labels, int64_t count, const Bins& bins)
    : count_(count),
      pixels_(bins.height * bins.width),
      colors_(bins.channels * kColors),
      textures_(bins.channels * kDirections * kTextures),
      sizes_(static_cast<size_t>(count)),
      boxes_(static_cast<size_t>(count), Box{INT32_MAX, INT32_MAX, 0, 0}),
      scratch_(context) {
  const int64_t height = bins.height, width = bins.width, line = colors_ + textures_;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const auto label = static_cast<size_t>(labels[y * width + x]);
      ++sizes_[label];
      const auto column = static_cast<int32_t>(x), row = static_cast<int32_t>(y);
      boxes_[label] = cover(boxes_[label], Box{column, row, column + 1, row + 1});
    }

  std::pair<int32_t, int32_t> last{-1, -1};
  const auto touch = [&](int32_t a, int32_t b) {
    if (a == b) return;
    const std::pair<int32_t, int32_t> pair = std::minmax(a, b);
    if (pair != last) neighbors_.push_back(last = pair);
  };
  const auto unique = [&] {
    std::sort(neighbors_.begin(), neighbors_.end());
    neighbors_.erase(std::unique(neighbors_.begin(), neighbors_.end()), neighbors_.end());
  };
  size_t limit = 4096;
  for (int64_t y = 0; y < height; ++y) {
    const int32_t *here = labels + y * width, *below = here + width;
    for (int64_t x = 0; x + 1 < width; ++x) touch(here[x], here[x + 1]);
    if (y + 1 == height) break;
    for (int64_t x = 0; x < width; ++x) touch(here[x], below[x]);
    for (int64_t x = 0; x + 1 < width; ++x) touch(here[x], below[x + 1]), touch(here[x + 1], below[x]);
    if (neighbors_.size() > limit) {  // few are new, so memory stays proportional to the number of regions
      unique();
      limit = std::max<size_t>(limit, 2 * neighbors_.size());
    }
  }
  unique();

  // Counts are integers: exact in float up to 2^24, and stored as integers beyond.
  Scratch scratch(context);
  auto* counts = scratch.get<int32_t>(count * line);
  std::fill_n(counts, count * line, 0);
  for (int64_t c = 0; c < bins.channels; ++c)
    for (int64_t k = 0; k <= kDirections; ++k) {
      const uint8_t* bin = bins.data + (c * (1 + kDirections) + k) * pixels_;
      int32_t* first = counts + (k == 0 ? c * kColors : colors_ + (c * kDirections + k - 1) * kTextures);
      for (int64_t p = 0; p < pixels_; ++p) ++first[labels[p] * line + bin[p]];
    }
  histograms_ = scratch_.get<float>(count * line);
  for (int64_t i = 0; i < count; ++i) {
    const auto size = static_cast<double>(sizes_[static_cast<size_t>(i)]) * static_cast<double>(bins.channels);
    for (int64_t k = 0; k < line; ++k)
      histograms_[i * line + k] = static_cast<float>(counts[i * line + k] / (k < colors_ ? size : size * kDirections));
  }
}

std::vector<Box> Regions::group(const Context& context, unsigned similarities) const {
  const auto n = static_cast<size_t>(count_);
  const int64_t line = colors_ + textures_;
  const auto pixels = static_cast<float>(pixels_);
  // A region's number is its place in `boxes`; a join writes its histograms over those of its first part.
  std::vector<Box> boxes = boxes_;
  std::vector<int64_t> sizes = sizes_, slot(n);
  boxes.reserve(2 * n), sizes.reserve(2 * n), slot.reserve(2 * n);
  for (size_t i = 0; i < n; ++i) slot[i] = static_cast<int64_t>(i);
  Scratch scratch(context);
  const bool described = (similarities & (kColor | kTexture)) != 0;
  auto* histograms = scratch.get<float>(described ? count_ * line : 0);
  if (described) std::copy_n(histograms_, count_ * line, histograms);

  const auto histogram = [&](size_t region) { return histograms + slot[region] * line; };
  const auto similarity = [&](size_t a, size_t b) {
    float sum = 0;
    if (similarities & kColor) sum += intersection(histogram(a), histogram(b), colors_);
    if (similarities & kTexture) sum += intersection(histogram(a) + colors_, histogram(b) + colors_, textures_);
    const int64_t both = sizes[a] + sizes[b];
    if (similarities & kSize) sum += 1 - static_cast<float>(both) / pixels;
    if (similarities & kFill) sum += 1 - static_cast<float>(area(cover(boxes[a], boxes[b])) - both) / pixels;
    return sum;
  };

  std::vector<std::vector<int32_t>> neighbors(n);
  std::vector<Pair> first;
  for (const auto& [a, b] : neighbors_) {
    first.push_back({similarity(static_cast<size_t>(a), static_cast<size_t>(b)), a, b});
    neighbors[static_cast<size_t>(a)].push_back(b);
    neighbors[static_cast<size_t>(b)].push_back(a);
  }
  neighbors.reserve(2 * n);
  std::priority_queue<Pair> queue(std::less<Pair>{}, std::move(first));
  std::vector<uint8_t> joined(2 * n, 0);
  std::vector<int32_t> seen(2 * n, -1);
  while (!queue.empty()) {
    const auto a = static_cast<size_t>(queue.top().a), b = static_cast<size_t>(queue.top().b);
    queue.pop();
    if (joined[a] || joined[b]) continue;
    joined[a] = joined[b] = 1;
    const auto number = static_cast<int32_t>(boxes.size());
    boxes.push_back(cover(boxes[a], boxes[b]));
    sizes.push_back(sizes[a] + sizes[b]);
    slot.push_back(slot[a]);
    if (described) {
      float *p = histogram(a), *q = histogram(b);
      const float part = static_cast<float>(sizes[a]) / static_cast<float>(sizes.back());
      for (int64_t k = 0; k < line; ++k) p[k] = p[k] * part + q[k] * (1 - part);
    }
    std::vector<int32_t> around;
    for (const size_t old : {a, b}) {
      for (const int32_t neighbor : neighbors[old]) {
        const auto i = static_cast<size_t>(neighbor);
        if (joined[i] || seen[i] == number) continue;
        seen[i] = number;
        around.push_back(neighbor);
        neighbors[i].push_back(number);
        queue.push({similarity(i, static_cast<size_t>(number)), neighbor, number});
      }
      std::vector<int32_t>().swap(neighbors[old]);
    }
    neighbors.push_back(std::move(around));
  }
  return boxes;
}

}  // namespace fastcnn::proposals
