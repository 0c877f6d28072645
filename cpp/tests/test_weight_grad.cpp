// Compares the weight gradient with its definition: 3 x 3 by Winograd and by outer products, other kernels, depthwise;
// channels last or first, any group. Results of one thread and of several are bit-identical. Tensors have their minimum
// size, so that AddressSanitizer detects out-of-bounds accesses.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "core/dtypes.h"
#include "fastcnn/context.h"
#include "fastcnn/ops/conv.h"

using namespace fastcnn;

namespace {

using Sizes = std::vector<int64_t>;

std::mt19937 bits(1);
int failures = 0;

int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }

/// (N, C, H, W), channels first or last.
template <class T>
struct Tensor {
  Sizes shape, strides;
  std::vector<T> values;

  Tensor(Sizes sizes, bool last) : shape(std::move(sizes)) {
    const int64_t c = shape[1], h = shape[2], w = shape[3];
    strides = last ? Sizes{h * w * c, 1, w * c, c} : Sizes{c * h * w, h * w, w, 1};
    values.resize(static_cast<size_t>(shape[0] * c * h * w));
    for (T& v : values) v = static_cast<T>(static_cast<double>(bits()) / 2147483648.0 - 1);
  }
  double at(int64_t n, int64_t c, int64_t y, int64_t x) const {
    return static_cast<double>(
        values[static_cast<size_t>(n * strides[0] + c * strides[1] + y * strides[2] + x * strides[3])]);
  }
  TensorView view() {
    TensorView v;
    v.data = values.data();
    v.ndim = 4;
    v.dtype = data_type(TypeToDType<T>::value);
    v.shape = shape.data();
    v.strides = strides.data();
    return v;
  }
};

template <class T>
void check(const std::string& algorithm) {
  const bool square = below(2) == 0, depthwise = below(6) == 0;
  const int64_t groups = depthwise ? 5 + below(30) : 1 + below(2);
  const int64_t channels = depthwise ? 1 : 1 + below(40), filters = depthwise ? 1 : 1 + below(70);
  const int64_t kernel = square ? 3 : 1 + below(4), stride = square ? 1 : 1 + below(2);
  const int64_t pad = below(kernel), n = 1 + below(3), h = kernel + below(14), w = kernel + below(14);
  // As much padding behind the image, or, as in TensorFlow's "SAME", another amount.
  const int64_t behind = below(3) ? pad : below(4), rows = h + pad + behind, columns = w + pad + behind;
  Tensor<T> x({n, groups * channels, h, w}, below(3) > 0);
  Tensor<T> grad({n, groups * filters, (rows - kernel) / stride + 1, (columns - kernel) / stride + 1}, below(3) > 0);
  const ConvGeometry geometry = conv_geometry({stride, stride}, {pad, pad, behind, behind}, {1, 1}, groups);
  set_conv_algorithm(algorithm);
  std::vector<T> first;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    Tensor<T> dst({groups * filters, channels, kernel, kernel}, false);
    convolution_weight_grad(default_context(), grad.view(), x.view(), geometry, dst.view());
    if (first.empty()) first = dst.values;
    if (first != dst.values) {
      std::printf("%s: depends on the number of threads\n", algorithm.c_str());
      ++failures;
    }
  }
  std::vector<double> exact(first.size());
  double square_sum = 0, worst = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t kx = at % kernel, ky = at / kernel % kernel, c = at / (kernel * kernel) % channels;
    const int64_t f = at / (kernel * kernel * channels), group = f / filters;
    for (int64_t b = 0; b < n; ++b)
      for (int64_t oy = 0; oy < grad.shape[2]; ++oy)
        for (int64_t ox = 0; ox < grad.shape[3]; ++ox) {
          const int64_t y = oy * stride - pad + ky, xx = ox * stride - pad + kx;
          if (y >= 0 && y < h && xx >= 0 && xx < w)
            exact[i] += grad.at(b, f, oy, ox) * x.at(b, group * channels + c, y, xx);
        }
    square_sum += exact[i] * exact[i];
    worst = std::max(worst, std::abs(exact[i] - static_cast<double>(first[i])));
  }
  const double rms = std::sqrt(square_sum / static_cast<double>(exact.size()));
  if (!(worst <= (sizeof(T) == 4 ? 3e-5 : 1e-13) * rms)) {
    std::printf("%s: %lldx%lldx%lldx%lld, %lld filters of %lld, groups %lld: off by %g of %g\n", algorithm.c_str(),
                static_cast<long long>(n), static_cast<long long>(groups * channels), static_cast<long long>(h),
                static_cast<long long>(w), static_cast<long long>(filters), static_cast<long long>(kernel),
                static_cast<long long>(groups), worst, rms);
    ++failures;
  }
}

}  // namespace

int main() {
  for (int round = 0; round < 60 && failures == 0; ++round)
    for (const char* algorithm : {"auto", "winograd", "direct"}) {
      check<float>(algorithm);
      if (round % 4 == 0) check<double>(algorithm);
    }
  if (failures == 0) std::printf("weight gradient: passed\n");
  return failures != 0;
}
