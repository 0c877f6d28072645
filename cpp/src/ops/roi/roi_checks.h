// Shared by the ops on regions: checks, the regions' coordinates, and access to feature maps by blocks of channels.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/dtypes.h"
#include "fastcnn/context.h"
#include "fastcnn/error.h"
#include "ops/roi/roi_simd.h"

namespace fastcnn::roi {

template <class T>
using Computed = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
const RoiKernels1<T>& kernels() {
  const RoiKernels& k = FASTCNN_SELECT(roi_kernels);
  if constexpr (sizeof(T) == 4)
    return k.f32;
  else
    return k.f64;
}

/// Regions in the type of the computation.
template <class T>
struct Region {
  int64_t image;
  T x1, y1, x2, y2;
};

void check_map(const TensorView& map, const char* op, const char* argument);
/// Regions whose image is one of `images`.
template <class T>
std::vector<Region<T>> read_regions(const TensorView& rois, int64_t images, const char* op);
extern template std::vector<Region<float>> read_regions(const TensorView&, int64_t, const char*);
extern template std::vector<Region<double>> read_regions(const TensorView&, int64_t, const char*);

/// Converts a coordinate to a pixel; values outside int32, and NaN, are clamped to its limits.
template <class T>
int64_t pixel(T coordinate) {
  const T rounded = std::round(coordinate);
  return rounded > T(-1e9) ? rounded < T(1e9) ? static_cast<int64_t>(rounded) : 1000000000 : -1000000000;
}

/// The taps of all samples of an axis, placed as in torchvision's roi_align, and merged if they fall on the same pixel.
template <class T>
class SampledAxis {
 public:
  /// scale: multiplies all weights.
  void sample(T start, T size, int64_t bins, int64_t samples, int64_t pixels, T scale) {
    begin_.assign(1, 0);
    index_.clear(), weight_.clear();
    first_ = pixels, last_ = 0;
    if (pixels == 0) samples = 0;  // nothing to read
    const T bin = size / static_cast<T>(bins), step = bin / static_cast<T>(samples);
    for (int64_t b = 0; b < bins; ++b) {
      const auto bin_begin = static_cast<int64_t>(index_.size());
      const T origin = start + static_cast<T>(b) * bin;
      const auto [from, to] = inside(origin, step, samples, pixels);
      for (int64_t i = from; i < to; ++i) {
        T y = origin + (static_cast<T>(i) + T(0.5)) * bin / static_cast<T>(samples);
        if (!(y >= -1 && y <= static_cast<T>(pixels))) continue;
        y = std::max(y, T(0));
        auto low = static_cast<int64_t>(y);
        if (low >= pixels - 1) {
          add(pixels - 1, scale, bin_begin);
        } else {
          const T part = y - static_cast<T>(low);
          add(low, scale * (1 - part), bin_begin);
          add(low + 1, scale * part, bin_begin);
        }
      }
      begin_.push_back(static_cast<int64_t>(index_.size()));
    }
    if (last_ < first_) first_ = last_ = 0;
  }
  Taps<T> taps() const {
    return {static_cast<int64_t>(begin_.size()) - 1, begin_.data(), index_.data(), weight_.data(), first_, last_};
  }

 private:
  /// The range of samples that can lie inside the image. Without this limit, a region of a billion pixels would have a
  /// billion samples.
  static std::pair<int64_t, int64_t> inside(T origin, T step, int64_t samples, int64_t pixels) {
    if (samples < 4096) return {0, samples};
    const double a = (-1.0 - static_cast<double>(origin)) / static_cast<double>(step);
    const double b = (static_cast<double>(pixels) - static_cast<double>(origin)) / static_cast<double>(step);
    const double low = std::floor(std::min(a, b)) - 2, high = std::ceil(std::max(a, b)) + 2;
    if (!(low <= high)) return {0, 0};
    const auto clamped = [&](double v) {
      return static_cast<int64_t>(std::clamp(v, 0.0, static_cast<double>(samples)));
    };
    return {clamped(low), clamped(high)};
  }
  void add(int64_t index, T weight, int64_t bin_begin) {
    first_ = std::min(first_, index), last_ = std::max(last_, index + 1);
    const auto n = static_cast<int64_t>(index_.size());
    for (int64_t k = n - 1; k >= std::max(bin_begin, n - 2); --k)
      if (index_[static_cast<size_t>(k)] == index) {
        weight_[static_cast<size_t>(k)] += weight;
        return;
      }
    index_.push_back(index), weight_.push_back(weight);
  }

  std::vector<int64_t> begin_, index_;
  std::vector<T> weight_;
  int64_t first_ = 0, last_ = 0;
};

/// The number of samples of a bin along an axis; 0 if the size is not finite.
template <class T>
int64_t samples_of(T size, int64_t bins, int64_t sampling_ratio) {
  if (sampling_ratio > 0) return sampling_ratio;
  const T samples = std::ceil(size / static_cast<T>(bins));
  return samples > 0 && samples < T(1e15) ? static_cast<int64_t>(samples) : 0;
}

/// The channels [channel, channel + kBlock) of every image, pixel by pixel: in place if the layout allows it, otherwise
/// copied.
template <class T>
class ChannelBlocks {
 public:
  using C = Computed<T>;
  ChannelBlocks(const Context& context, const TensorView& map, Scratch& scratch) : context_(context), map_(map) {
    if (!in_place(0, map.shape[1]) || map.shape[1] % kBlock != 0)
      memory_ = scratch.get<C>(map.shape[0] * map.shape[2] * map.shape[3] * kBlock);
  }
  /// Prepares the block in its own parallel region.
  void select(int64_t channel);
  Plane<const C> plane(int64_t image) const { return {data_ + image * image_stride_, row_stride_, pixel_stride_}; }

 private:
  bool in_place(int64_t channel, int64_t channels) const {
    return std::is_same_v<T, C> && map_.stride(1) == 1 && channel + kBlock <= channels;
  }
  const Context& context_;
  const TensorView& map_;
  C* memory_ = nullptr;
  const C* data_ = nullptr;
  int64_t image_stride_ = 0, row_stride_ = 0, pixel_stride_ = 0;
};

template <class T>
void ChannelBlocks<T>::select(int64_t channel) {
  const int64_t channels = map_.shape[1], height = map_.shape[2], width = map_.shape[3];
  const T* src = map_.as<T>() + channel * map_.stride(1);
  if constexpr (std::is_same_v<T, C>) {
    if (in_place(channel, channels)) {
      data_ = src, image_stride_ = map_.stride(0), row_stride_ = map_.stride(2), pixel_stride_ = map_.stride(3);
      return;
    }
  }
  const int64_t count = std::min(kBlock, channels - channel);
  context_.parallel_for(0, map_.shape[0] * height, 4, [&](int64_t r, int64_t end) {
    for (; r < end; ++r) {
      const T* row = src + r / height * map_.stride(0) + r % height * map_.stride(2);
      C* to = memory_ + r * width * kBlock;
      for (int64_t c = 0; c < count; ++c)
        for (int64_t x = 0; x < width; ++x)
          to[x * kBlock + c] = static_cast<C>(row[c * map_.stride(1) + x * map_.stride(3)]);
      for (int64_t c = count; c < kBlock; ++c)
        for (int64_t x = 0; x < width; ++x) to[x * kBlock + c] = 0;
    }
  });
  data_ = memory_, pixel_stride_ = kBlock, row_stride_ = width * kBlock, image_stride_ = height * row_stride_;
}

/// Bins of a region, [bin][kBlock], to and from (K, C, height, width).
template <class T, class From>
void store_bins(const TensorView& dst, int64_t region, int64_t channel, const From* bins) {
  const int64_t count = std::min(kBlock, dst.shape[1] - channel), width = dst.shape[3];
  T* to = dst.as<T>() + region * dst.stride(0) + channel * dst.stride(1);
  for (int64_t c = 0; c < count; ++c)
    for (int64_t y = 0; y < dst.shape[2]; ++y)
      for (int64_t x = 0; x < width; ++x)
        to[c * dst.stride(1) + y * dst.stride(2) + x * dst.stride(3)] =
            converted<T>(bins[(y * width + x) * kBlock + c]);
}
template <class T>
void load_bins(const TensorView& src, int64_t region, int64_t channel, Computed<T>* bins) {
  const int64_t count = std::min(kBlock, src.shape[1] - channel), width = src.shape[3];
  const T* from = src.as<T>() + region * src.stride(0) + channel * src.stride(1);
  for (int64_t c = 0; c < count; ++c)
    for (int64_t y = 0; y < src.shape[2]; ++y)
      for (int64_t x = 0; x < width; ++x)
        bins[(y * width + x) * kBlock + c] =
            static_cast<Computed<T>>(from[c * src.stride(1) + y * src.stride(2) + x * src.stride(3)]);
  for (int64_t c = count; c < kBlock; ++c)
    for (int64_t i = 0; i < src.shape[2] * width; ++i) bins[i * kBlock + c] = 0;
}

}  // namespace fastcnn::roi
