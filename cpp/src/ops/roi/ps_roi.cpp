// Position-sensitive pooling: Dai, Li, He and Sun, "R-FCN", 2016; with samples: Li et al., "Light-head R-CNN", 2017.
// Each bin reads one channel. O(K * C / bins * pixels or samples under the region). The gradient is computed channel by
// channel, in the order of the regions.
#include "fastcnn/ops/roi.h"

#include "ops/roi/roi_checks.h"

namespace fastcnn {
namespace {

using namespace roi;

/// The samples that regions' bins average.
template <class T>
struct Averages {
  std::vector<SampledAxis<T>> y, x;
  std::vector<Region<T>> regions;
};

/// Samples as in roi_align with aligned pixels.
template <class T>
Averages<T> sampled(const TensorView& rois, const TensorView& map, double spatial_scale, int64_t sampling_ratio,
                    int64_t height, int64_t width, const char* op) {
  Averages<T> all{{}, {}, read_regions<T>(rois, map.shape[0], op)};
  const T scale = static_cast<T>(spatial_scale);
  for (const Region<T>& r : all.regions) {
    const T left = r.x1 * scale - T(0.5), top = r.y1 * scale - T(0.5);
    const T w = r.x2 * scale - T(0.5) - left, h = r.y2 * scale - T(0.5) - top;
    const int64_t rows = samples_of(h, height, sampling_ratio), columns = samples_of(w, width, sampling_ratio);
    const bool none = rows == 0 || columns == 0;
    all.y.emplace_back(), all.x.emplace_back();
    all.y.back().sample(top, h, height, none ? 0 : rows, map.shape[2], none ? T(0) : T(1) / static_cast<T>(rows));
    all.x.back().sample(left, w, width, none ? 0 : columns, map.shape[3], none ? T(0) : T(1) / static_cast<T>(columns));
  }
  return all;
}

/// Whole pixels of equal weight. As in torchvision, the last row and column are never read.
template <class T>
class PixelAxis {
 public:
  void of(T from, T to, int64_t bins, int64_t pixels) {
    const int64_t start = pixel(from), end = pixel(to);
    const T bin = static_cast<T>(std::max<int64_t>(end - start, 1)) / static_cast<T>(bins);
    const auto inside = [&](int64_t v) { return std::clamp<int64_t>(v + start, 0, std::max<int64_t>(pixels - 1, 0)); };
    for (int64_t b = 0; b < bins; ++b) {
      begins.push_back(inside(static_cast<int64_t>(std::floor(static_cast<T>(b) * bin))));
      ends.push_back(inside(static_cast<int64_t>(std::ceil(static_cast<T>(b + 1) * bin))));
    }
  }
  std::vector<int64_t> begins, ends;
};

/// The input channel that a bin of an output channel reads.
int64_t channel_read(const TensorView& bins, int64_t c, int64_t y, int64_t x) {
  return (c * bins.shape[2] + y) * bins.shape[3] + x;
}

void check_channels(const TensorView& map, const TensorView& bins, const char* op) {
  FASTCNN_CHECK(map.shape[1] == bins.shape[1] * bins.shape[2] * bins.shape[3], op, ": expected input of a multiple of ",
                bins.shape[2] * bins.shape[3], " channels, got ", map.shape[1]);
}

/// sum(region, y bin, x bin, plane of the channel that is read) of every bin.
template <class T, class Sum>
void forward(const Context& context, const TensorView& input, const std::vector<Region<Computed<T>>>& regions,
             const TensorView& dst, const TensorView& mapping, const Sum& sum) {
  const int64_t outputs = dst.shape[1], height = dst.shape[2], width = dst.shape[3];
  context.parallel_for(0, dst.shape[0], 1, [&](int64_t k, int64_t end) {
    for (; k < end; ++k) {
      const T* image = input.as<T>() + regions[static_cast<size_t>(k)].image * input.stride(0);
      for (int64_t c = 0; c < outputs; ++c)
        for (int64_t y = 0; y < height; ++y)
          for (int64_t x = 0; x < width; ++x) {
            const int64_t read = channel_read(dst, c, y, x), at = ((k * outputs + c) * height + y) * width + x;
            dst.as<T>()[at] = converted<T>(sum(static_cast<size_t>(k), y, x, image + read * input.stride(1)));
            mapping.as<int32_t>()[at] = static_cast<int32_t>(read);
          }
    }
  });
}

/// add(region, y bin, x bin, gradient of the bin, sums of the plane that is read).
template <class T, class Add>
void backward(const Context& context, const TensorView& grad, const std::vector<Region<Computed<T>>>& regions,
              const TensorView& dst, const Add& add) {
  using C = Computed<T>;
  const int64_t pixels = dst.shape[2] * dst.shape[3], channels = dst.shape[1], images = dst.shape[0];
  if (dst.numel() == 0) return;
  const int64_t pieces = std::min<int64_t>(context.num_threads(), channels);
  Scratch scratch(context);
  C* memory = scratch.get<C>(pieces * images * pixels);
  context.parallel_for(0, pieces, 1, [&](int64_t piece, int64_t end) {
    for (; piece < end; ++piece) {
      C* sums = memory + piece * images * pixels;
      for (int64_t read = channels * piece / pieces; read < channels * (piece + 1) / pieces; ++read) {
        std::fill_n(sums, images * pixels, C(0));
        const int64_t x = read % grad.shape[3], y = read / grad.shape[3] % grad.shape[2],
                      c = read / (grad.shape[3] * grad.shape[2]);
        for (size_t k = 0; k < regions.size(); ++k)
          add(k, y, x,
              static_cast<C>(grad.as<T>()[static_cast<int64_t>(k) * grad.stride(0) + c * grad.stride(1) +
                                          y * grad.stride(2) + x * grad.stride(3)]),
              sums + regions[k].image * pixels);
        for (int64_t image = 0; image < images; ++image)
          for (int64_t i = 0; i < pixels; ++i)
            dst.as<T>()[(image * channels + read) * pixels + i] = converted<T>(sums[image * pixels + i]);
      }
    }
  });
}

template <class F>
void in_type(const TensorView& view, const F& f) {
  visit(FloatTypes{}, dtype_of(view), [&](auto tag) { f(typename decltype(tag)::type{}); });
}

}  // namespace

void ps_roi_align(const Context& context, const TensorView& input, const TensorView& rois, double spatial_scale,
                  int64_t sampling_ratio, const TensorView& dst, const TensorView& mapping) {
  constexpr char op[] = "ps_roi_align";
  check_map(input, op, "input");
  check_channels(input, dst, op);
  in_type(input, [&](auto zero) {
    using T = decltype(zero);
    using C = Computed<T>;
    const auto all = sampled<C>(rois, input, spatial_scale, sampling_ratio, dst.shape[2], dst.shape[3], op);
    forward<T>(context, input, all.regions, dst, mapping, [&](size_t k, int64_t y, int64_t x, const T* plane) {
      const Taps<C> rows = all.y[k].taps(), columns = all.x[k].taps();
      C sum = 0;
      for (int64_t i = rows.begin[y]; i < rows.begin[y + 1]; ++i)
        for (int64_t j = columns.begin[x]; j < columns.begin[x + 1]; ++j)
          sum += rows.weight[i] * columns.weight[j] *
                 static_cast<C>(plane[rows.index[i] * input.stride(2) + columns.index[j] * input.stride(3)]);
      return sum;
    });
  });
}

void ps_roi_align_backward(const Context& context, const TensorView& grad, const TensorView& rois, double spatial_scale,
                           int64_t sampling_ratio, const TensorView& dst) {
  constexpr char op[] = "ps_roi_align";
  check_map(grad, op, "grad");
  check_channels(dst, grad, op);
  in_type(grad, [&](auto zero) {
    using T = decltype(zero);
    using C = Computed<T>;
    const auto all = sampled<C>(rois, dst, spatial_scale, sampling_ratio, grad.shape[2], grad.shape[3], op);
    backward<T>(context, grad, all.regions, dst, [&](size_t k, int64_t y, int64_t x, C g, C* sums) {
      const Taps<C> rows = all.y[k].taps(), columns = all.x[k].taps();
      for (int64_t i = rows.begin[y]; i < rows.begin[y + 1]; ++i)
        for (int64_t j = columns.begin[x]; j < columns.begin[x + 1]; ++j)
          sums[rows.index[i] * dst.shape[3] + columns.index[j]] += rows.weight[i] * columns.weight[j] * g;
    });
  });
}

namespace {

template <class T>
struct Pixels {
  std::vector<Region<T>> regions;
  std::vector<PixelAxis<T>> y, x;

  Pixels(const TensorView& rois, const TensorView& map, double spatial_scale, const TensorView& bins, const char* op)
      : regions(read_regions<T>(rois, map.shape[0], op)), y(regions.size()), x(regions.size()) {
    const T scale = static_cast<T>(spatial_scale);
    for (size_t k = 0; k < regions.size(); ++k) {
      y[k].of(regions[k].y1 * scale, regions[k].y2 * scale, bins.shape[2], map.shape[2]);
      x[k].of(regions[k].x1 * scale, regions[k].x2 * scale, bins.shape[3], map.shape[3]);
    }
  }
  /// Calls f(row, column) for the pixels of a bin; returns their number.
  template <class F>
  int64_t each(size_t k, int64_t row, int64_t column, const F& f) const {
    const auto i = static_cast<size_t>(row), j = static_cast<size_t>(column);
    for (int64_t r = y[k].begins[i]; r < y[k].ends[i]; ++r)
      for (int64_t q = x[k].begins[j]; q < x[k].ends[j]; ++q) f(r, q);
    return (y[k].ends[i] - y[k].begins[i]) * (x[k].ends[j] - x[k].begins[j]);
  }
};

}  // namespace

void ps_roi_pool(const Context& context, const TensorView& input, const TensorView& rois, double spatial_scale,
                 const TensorView& dst, const TensorView& mapping) {
  constexpr char op[] = "ps_roi_pool";
  check_map(input, op, "input");
  check_channels(input, dst, op);
  in_type(input, [&](auto zero) {
    using T = decltype(zero);
    using C = Computed<T>;
    const Pixels<C> all(rois, input, spatial_scale, dst, op);
    forward<T>(context, input, all.regions, dst, mapping, [&](size_t k, int64_t y, int64_t x, const T* plane) {
      C sum = 0;
      const int64_t count = all.each(k, y, x, [&](int64_t r, int64_t q) {
        sum += static_cast<C>(plane[r * input.stride(2) + q * input.stride(3)]);
      });
      return count == 0 ? C(0) : sum / static_cast<C>(count);
    });
  });
}

void ps_roi_pool_backward(const Context& context, const TensorView& grad, const TensorView& rois, double spatial_scale,
                          const TensorView& dst) {
  constexpr char op[] = "ps_roi_pool";
  check_map(grad, op, "grad");
  check_channels(dst, grad, op);
  in_type(grad, [&](auto zero) {
    using T = decltype(zero);
    using C = Computed<T>;
    const Pixels<C> all(rois, dst, spatial_scale, grad, op);
    backward<T>(context, grad, all.regions, dst, [&](size_t k, int64_t y, int64_t x, C g, C* sums) {
      const int64_t count = all.each(k, y, x, [](int64_t, int64_t) {});
      all.each(k, y, x, [&](int64_t r, int64_t q) { sums[r * dst.shape[3] + q] += g / static_cast<C>(count); });
    });
  });
}

}  // namespace fastcnn
