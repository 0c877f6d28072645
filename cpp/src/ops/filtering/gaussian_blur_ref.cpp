// The readable oracle.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/border.h"
#include "core/dtypes.h"
#include "core/image_batch.h"
#include "ops/filtering/gaussian_blur.h"

namespace fastcnn {
namespace {

/// One axis of a dense volume: `n` elements, `stride` apart. Forward gathers, transposed scatters along the same paths.
void filter_axis(const std::vector<double>& src, int64_t n, int64_t stride, const Taps& taps, Border border,
                 bool transposed, std::vector<double>& dst) {
  dst.assign(src.size(), 0.0);
  const auto size = static_cast<int64_t>(src.size());
  for (int64_t p = 0; p < size; ++p) {
    const int64_t i = p / stride % n, line = p - i * stride;
    for (int64_t k = 0; k < taps.size(); ++k) {
      const int64_t j = continued(i + taps.first + k, n, border);
      if (j < 0) continue;
      const auto here = static_cast<size_t>(p), there = static_cast<size_t>(line + j * stride);
      const double weight = taps.weights[static_cast<size_t>(k)];
      if (transposed)
        dst[there] += weight * src[here];
      else
        dst[here] += weight * src[there];
    }
  }
}

template <class T>
T rounded(double value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    return T::from(static_cast<float>(value));
  } else if constexpr (std::is_integral_v<T>) {
    const double low = static_cast<double>(std::numeric_limits<T>::min());
    const double high = static_cast<double>(std::numeric_limits<T>::max());
    return static_cast<T>(std::min(std::max(std::nearbyint(value), low), high));
  } else {
    return static_cast<T>(value);
  }
}

template <class T>
double widened(T value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
    return static_cast<double>(static_cast<float>(value));
  else
    return static_cast<double>(value);
}

template <class Types>
void filter_batch(Types, const char* op, const char* argument, const Context& context, const TensorView& src,
                  const GaussianBlur& blur, const TensorView& dst, bool transposed) {
  const SeparableFilter filter = checked_gaussian(op, argument, src, blur, dst);
  const BatchShape batch(src, static_cast<int>(blur.sigma.size()), op, argument);
  const ImageSource source(src, static_cast<int>(blur.sigma.size()));
  const Extent e = batch.extent;
  visit(Types{}, src, op, argument, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t b = 0; b < batch.count; ++b) {
      Scratch scratch(context);
      const T* image = source.image<T>(b, scratch);
      T* result = dst.as<T>() + b * e.size();
      std::vector<double> from(static_cast<size_t>(e.size())), to;
      for (int64_t i = 0; i < e.size(); ++i) from[static_cast<size_t>(i)] = widened(image[i]);
      filter_axis(from, e.depth, e.height * e.width, filter.z, filter.border, transposed, to);
      filter_axis(to, e.height, e.width, filter.y, filter.border, transposed, from);
      filter_axis(from, e.width, 1, filter.x, filter.border, transposed, to);
      for (int64_t i = 0; i < e.size(); ++i) result[i] = rounded<T>(to[static_cast<size_t>(i)]);
    }
  });
}

}  // namespace

void gaussian_blur_ref(const Context& context, const TensorView& src, const GaussianBlur& blur, const TensorView& dst) {
  filter_batch(SmoothTypes{}, "gaussian_blur_ref", "image", context, src, blur, dst, false);
}

void gaussian_blur_backward_ref(const Context& context, const TensorView& grad, const GaussianBlur& blur,
                                const TensorView& dst) {
  filter_batch(FloatTypes{}, "_gaussian_blur_backward_ref", "grad", context, grad, blur, dst, true);
}

}  // namespace fastcnn
