// The readable oracle: applies the border rule to every pixel of the block, in float64. O(pixels x block) per axis.
#include <vector>

#include "core/border.h"
#include "core/image_batch.h"
#include "ops/filtering/taps.h"
#include "ops/thresholding/threshold_local.h"

namespace fastcnn {
namespace {

/// One axis of a dense image: `n` elements, `stride` apart.
void filter_axis(const std::vector<double>& src, int64_t n, int64_t stride, const Taps& taps,
                 std::vector<double>& dst) {
  dst.assign(src.size(), 0.0);
  for (int64_t p = 0; p < static_cast<int64_t>(src.size()); ++p) {
    const int64_t i = p / stride % n, line = p - i * stride;
    for (int64_t k = 0; k < taps.size(); ++k) {
      const int64_t j = continued(i + taps.first + k, n, Border::reflect);
      dst[static_cast<size_t>(p)] += taps.weights[static_cast<size_t>(k)] * src[static_cast<size_t>(line + j * stride)];
    }
  }
}

}  // namespace

void threshold_local_ref(const Context& context, const TensorView& src, const LocalThreshold& threshold,
                         const TensorView& dst) {
  constexpr const char* kOp = "threshold_local_ref";
  check_local_threshold(kOp, "image", src, threshold, dst, local_threshold_dtype(dtype_of(src)));
  const BatchShape batch(src, 2, kOp, "image");
  const ImageSource source(src, 2);
  const Extent e = batch.extent;
  const bool gaussian = threshold.method == LocalThreshold::Method::gaussian;
  const int64_t block = threshold.block_size;
  Taps taps;
  if (gaussian) {
    taps = gaussian_taps(sigma_of(block), 4.0, kOp);
  } else {
    taps.first = -(block / 2);
    taps.weights.assign(static_cast<size_t>(block), 1.0);  // sums, exact for integers
  }
  const double area = gaussian ? 1.0 : static_cast<double>(block * block);
  visit(ThresholdTypes{}, src, kOp, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t b = 0; b < batch.count; ++b) {
      Scratch scratch(context);
      const T* image = source.image<T>(b, scratch);
      std::vector<double> from(static_cast<size_t>(e.size())), to;
      for (int64_t i = 0; i < e.size(); ++i) {
        if constexpr (std::is_arithmetic_v<T>)
          from[static_cast<size_t>(i)] = static_cast<double>(image[i]);
        else
          from[static_cast<size_t>(i)] = static_cast<double>(static_cast<float>(image[i]));
      }
      filter_axis(from, e.height, e.width, taps, to);
      filter_axis(to, e.width, 1, taps, from);
      for (int64_t i = 0; i < e.size(); ++i) {
        const double mean = from[static_cast<size_t>(i)] / area;
        if (dtype_of(dst) == DType::float64)
          dst.as<double>()[b * e.size() + i] = mean - threshold.offset;
        else
          dst.as<float>()[b * e.size() + i] = static_cast<float>(mean) - static_cast<float>(threshold.offset);
      }
    }
  });
}

}  // namespace fastcnn
