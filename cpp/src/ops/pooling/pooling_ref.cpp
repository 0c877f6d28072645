// The readable oracles: windows directly by definition, without tables or vectors. Dense tensors.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/dtypes.h"
#include "ops/pooling/window_sizes.h"

namespace fastcnn {
namespace {

struct Span {
  int64_t start, stop, step, counted;  // elements start, start + step, ... < stop; `counted` in a mean's divisor
};

Span window(const Pooling& p, int64_t in, int64_t out, int axis, int64_t o) {
  const auto d = static_cast<size_t>(axis);
  if (!p.output_size.empty()) {
    const int64_t start = o * in / out, stop = ((o + 1) * in + out - 1) / out;
    return {start, stop, 1, stop - start};
  }
  const int64_t start = o * p.stride[d] - p.padding[d], stop = start + (p.kernel[d] - 1) * p.dilation[d] + 1;
  const int64_t counted = std::min(stop, in + p.padding[d]) - start;
  return {start, stop, p.dilation[d], counted};
}

/// visit_window(plane, output, mean's divisor, visit_element) for every window; elements in raster order, as offsets in
/// the plane.
struct Windows {
  Windows(const TensorView& src, const Pooling& p, const char* op) : pooling(p), rank(p.rank()) {
    const auto shape = pooled_shape(src, p, op);
    for (int d = 0; d < src.ndim - rank; ++d) planes *= src.shape[d];
    for (int d = 0; d < rank; ++d) {
      in[3 - rank + d] = src.shape[src.ndim - rank + d];
      out[3 - rank + d] = shape[static_cast<size_t>(src.ndim) - static_cast<size_t>(rank - d)];
    }
  }
  Span span(int axis, int64_t o) const {
    const int own = axis - (3 - rank);
    return own < 0 ? Span{0, 1, 1, 1} : window(pooling, in[axis], out[axis], own, o);
  }
  int64_t outputs() const { return out[0] * out[1] * out[2]; }
  int64_t inputs() const { return in[0] * in[1] * in[2]; }

  /// f(offset in the plane) for the elements inside; returns the divisor.
  template <class F>
  double each(int64_t o, const F& f) const {
    const Span s[3] = {span(0, o / out[2] / out[1]), span(1, o / out[2] % out[1]), span(2, o % out[2])};
    int64_t inside = 0;
    for (int64_t z = s[0].start; z < s[0].stop; z += s[0].step)
      for (int64_t y = s[1].start; y < s[1].stop; y += s[1].step)
        for (int64_t x = s[2].start; x < s[2].stop; x += s[2].step)
          if (z >= 0 && z < in[0] && y >= 0 && y < in[1] && x >= 0 && x < in[2]) {
            f((z * in[1] + y) * in[2] + x);
            ++inside;
          }
    if (pooling.divisor_override) return static_cast<double>(*pooling.divisor_override);
    const bool pad = pooling.count_include_pad;
    return static_cast<double>(pad ? s[0].counted * s[1].counted * s[2].counted : std::max<int64_t>(inside, 1));
  }

  const Pooling& pooling;
  int rank;
  int64_t planes = 1, in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
};

template <class T>
T from_double(double value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
    return T::from(static_cast<float>(value));
  else
    return static_cast<T>(value);
}
template <class T>
auto comparable(T value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
    return static_cast<float>(value);
  else
    return value;
}

/// The offset of the maximum: the first one, or the last NaN; -1 if the window is empty.
template <class T>
int64_t maximum(const Windows& windows, int64_t o, const T* plane) {
  int64_t best = -1;
  windows.each(o, [&](int64_t i) {
    const auto value = comparable(plane[i]);
    if (best < 0 || value > comparable(plane[best]) || value != value) best = i;
  });
  return best;
}

}  // namespace

void max_pool_ref(const TensorView& src, const Pooling& pooling, const TensorView& dst, const TensorView& indices) {
  const Windows windows(src, pooling, "max_pool");
  visit(AllTypes{}, src, "max_pool_ref", "input", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t p = 0; p < windows.planes; ++p)
      for (int64_t o = 0; o < windows.outputs(); ++o) {
        const T* plane = src.as<T>() + p * windows.inputs();
        const int64_t best = maximum(windows, o, plane), at = p * windows.outputs() + o;
        using Limits = std::numeric_limits<T>;
        if (best >= 0)
          dst.as<T>()[at] = plane[best];
        else if constexpr (std::is_integral_v<T>)
          dst.as<T>()[at] = Limits::min();
        else
          dst.as<T>()[at] = from_double<T>(-std::numeric_limits<double>::infinity());
        indices.as<int64_t>()[at] = best;
      }
  });
}

void max_pool_backward_ref(const TensorView& grad, const TensorView& src, const Pooling& pooling,
                           const TensorView& dst) {
  const Windows windows(src, pooling, "max_pool");
  visit(FloatTypes{}, src, "max_pool_backward_ref", "input", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> sums;
    for (int64_t p = 0; p < windows.planes; ++p) {
      sums.assign(static_cast<size_t>(windows.inputs()), 0.0);
      for (int64_t o = 0; o < windows.outputs(); ++o) {
        const int64_t best = maximum(windows, o, src.as<T>() + p * windows.inputs());
        if (best >= 0)
          sums[static_cast<size_t>(best)] += static_cast<double>(comparable(grad.as<T>()[p * windows.outputs() + o]));
      }
      for (size_t i = 0; i < sums.size(); ++i)
        dst.as<T>()[p * windows.inputs() + static_cast<int64_t>(i)] = from_double<T>(sums[i]);
    }
  });
}

void avg_pool_ref(const TensorView& src, const Pooling& pooling, const TensorView& dst) {
  const Windows windows(src, pooling, "avg_pool");
  visit(FloatTypes{}, src, "avg_pool_ref", "input", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t p = 0; p < windows.planes; ++p)
      for (int64_t o = 0; o < windows.outputs(); ++o) {
        const T* plane = src.as<T>() + p * windows.inputs();
        double sum = 0;
        const double divisor = windows.each(o, [&](int64_t i) { sum += static_cast<double>(comparable(plane[i])); });
        dst.as<T>()[p * windows.outputs() + o] = from_double<T>(sum / divisor);
      }
  });
}

void avg_pool_backward_ref(const TensorView& grad, const Pooling& pooling, const TensorView& dst) {
  const Windows windows(dst, pooling, "avg_pool");
  visit(FloatTypes{}, grad, "avg_pool_backward_ref", "grad", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> sums;
    for (int64_t p = 0; p < windows.planes; ++p) {
      sums.assign(static_cast<size_t>(windows.inputs()), 0.0);
      for (int64_t o = 0; o < windows.outputs(); ++o) {
        const double divisor = windows.each(o, [](int64_t) {});
        const double share = static_cast<double>(comparable(grad.as<T>()[p * windows.outputs() + o])) / divisor;
        windows.each(o, [&](int64_t i) { sums[static_cast<size_t>(i)] += share; });
      }
      for (size_t i = 0; i < sums.size(); ++i)
        dst.as<T>()[p * windows.inputs() + static_cast<int64_t>(i)] = from_double<T>(sums[i]);
    }
  });
}

}  // namespace fastcnn
