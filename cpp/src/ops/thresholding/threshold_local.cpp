#include "ops/thresholding/threshold_local.h"

#include <cmath>
#include <cstring>

#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "ops/filtering/separable.h"
#include "ops/filtering/separable_simd.h"
#include "ops/thresholding/local_mean.h"
#include "ops/thresholding/local_mean_simd.h"

namespace fastcnn {

LocalThreshold::Method local_method_from(const char* name, const char* op) {
  if (std::strcmp(name, "gaussian") == 0) return LocalThreshold::Method::gaussian;
  if (std::strcmp(name, "mean") == 0) return LocalThreshold::Method::mean;
  detail::fail(ErrorKind::argument, op, ": expected method gaussian or mean, got ", name);
}

DType local_threshold_dtype(DType image) {
  return image == DType::int32 || image == DType::float64 ? DType::float64 : DType::float32;
}

void check_local_threshold(const char* op, const char* argument, const TensorView& src, const LocalThreshold& threshold,
                           const TensorView& dst, DType dtype) {
  const BatchShape shape(src, 2, op, argument);
  const int64_t size = threshold.block_size;
  FASTCNN_CHECK(size >= 1 && size <= 32767 && size % 2 == 1, op,
                ": expected block_size to be odd and between 1 and 32767, got ", size);
  FASTCNN_CHECK(std::isfinite(threshold.offset), op, ": expected offset to be finite, got ", threshold.offset);
  check_same_shape(src, dst, op, "result");
  check_output(dst, dtype, op, "result");
}

namespace {

/// Writes the thresholds to `threshold` or, if that is null, the comparison with them to `mask`.
template <class A>
void gaussian_image(const Context& context, const void* src, DType dtype, const Extent& e,
                    const SeparableFilter& filter, A offset, A* threshold, uint8_t* mask) {
  const auto& rows = FASTCNN_SELECT(separable_kernels);
  const auto& kernels = FASTCNN_SELECT(local_mean_kernels);
  const int64_t width = e.width;
  void (*load)(const void*, int64_t, A*);
  void (*above)(const A*, const A*, int64_t, A, uint8_t*);
  if constexpr (std::is_same_v<A, float>) {
    load = rows.f32.load[static_cast<int>(dtype)];
    above = kernels.above32;
  } else {
    load = rows.f64.load[static_cast<int>(dtype)];
    above = kernels.above64;
  }
  if (threshold && offset == 0) {
    separable_filter<A>(context, src, dtype, e, filter, threshold, [](int64_t, const A*) {});
  } else if (threshold) {
    separable_filter<A>(context, src, dtype, e, filter, nullptr, [&](int64_t y, const A* mean) {
      A* out = threshold + y * width;
      for (int64_t x = 0; x < width; ++x) out[x] = mean[x] - offset;
    });
  } else {
    const auto* bytes = static_cast<const char*>(src);
    const int64_t row_bytes = width * static_cast<int64_t>(size_of(dtype));
    separable_filter<A>(context, src, dtype, e, filter, nullptr, [&](int64_t y, const A* mean) {
      const char* pixels = bytes + y * row_bytes;
      if (!load) return above(reinterpret_cast<const A*>(pixels), mean, width, offset, mask + y * width);
      constexpr int64_t kRun = 1024;
      A converted[kRun];
      for (int64_t x = 0; x < width; x += kRun) {
        const int64_t n = width - x < kRun ? width - x : kRun;
        load(pixels + x * static_cast<int64_t>(size_of(dtype)), n, converted);
        above(converted, mean + x, n, offset, mask + y * width + x);
      }
    });
  }
}

/// dst: the thresholds, or a mask if it is bool.
void apply(const char* op, const char* argument, const Context& context, const TensorView& src,
           const LocalThreshold& threshold, const TensorView& dst) {
  const BatchShape batch(src, 2, op, argument);
  const ImageSource source(src, 2);
  const Extent extent = batch.extent;
  const bool binary = dtype_of(dst) == DType::boolean;
  const bool gaussian = threshold.method == LocalThreshold::Method::gaussian;
  SeparableFilter filter;
  if (gaussian) filter.y = filter.x = gaussian_taps(sigma_of(threshold.block_size), 4.0, op);
  visit(ThresholdTypes{}, src, op, argument, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using S = std::conditional_t<std::is_same_v<T, int32_t> || std::is_same_v<T, double>, double, float>;
    const DType dtype = TypeToDType<T>::value;
    const Context& host = worth_threads(context, batch.count * extent.size(), 16384);
    for_each_image(host, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const T* image = source.image<T>(i, scratch);
      S* surface = binary ? nullptr : dst.as<S>() + i * extent.size();
      uint8_t* mask = binary ? dst.as<uint8_t>() + i * extent.size() : nullptr;
      if (gaussian)
        gaussian_image<S>(inner, image, dtype, extent, filter, static_cast<S>(threshold.offset), surface, mask);
      else
        local_mean(inner, image, dtype, extent, {threshold.block_size, threshold.offset, surface, mask});
    });
  });
}

}  // namespace

void threshold_local(const Context& context, const TensorView& src, const LocalThreshold& threshold,
                     const TensorView& dst) {
  check_local_threshold("threshold_local", "image", src, threshold, dst, local_threshold_dtype(dtype_of(src)));
  apply("threshold_local", "image", context, src, threshold, dst);
}

void threshold_local_backward(const Context& context, const TensorView& grad, const LocalThreshold& threshold,
                              const TensorView& dst) {
  constexpr const char* kOp = "_threshold_local_backward";
  const DType dtype = dtype_of(grad);
  FASTCNN_CHECK_TYPE(dtype == DType::float32 || dtype == DType::float64, kOp,
                     ": expected grad of dtype float32 or float64, got ", name_of(dtype));
  check_local_threshold(kOp, "grad", grad, threshold, dst, dtype);
  LocalThreshold linear = threshold;
  linear.offset = 0;
  apply(kOp, "grad", context, grad, linear, dst);
}

void binarize_local(const Context& context, const TensorView& src, const LocalThreshold& threshold,
                    const TensorView& dst) {
  check_local_threshold("binarize_local", "image", src, threshold, dst, DType::boolean);
  apply("binarize_local", "image", context, src, threshold, dst);
}

}  // namespace fastcnn
