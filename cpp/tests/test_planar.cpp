// Compares convolutions along planes and their weight gradient with the definition: both layouts, borders, negative
// borders, gaps between taps, transposed weights. Results of one thread and of several are bit-identical. Tensors have
// their minimum size, so that AddressSanitizer detects out-of-bounds accesses.
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "fastcnn/context.h"
#include "ops/conv/planar.h"

using namespace fastcnn;
using namespace fastcnn::conv;

namespace {

std::mt19937 bits(1);
int failures = 0;

int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }

template <class T>
struct Tensor {
  std::vector<T> values;
  Image image;

  Tensor(int64_t n, int64_t channels, int64_t height, int64_t width, bool last)
      : values(static_cast<size_t>(n * channels * height * width)) {
    for (T& v : values) v = static_cast<T>(static_cast<double>(bits()) / 2147483648.0 - 1);
    image.data = reinterpret_cast<char*>(values.data());
    image.dtype = TypeToDType<T>::value;
    image.channels = channels;
    image.channel_stride = last ? 1 : height * width;
    image.stride[2] = last ? channels : 1;
    image.stride[1] = width * image.stride[2];
    image.stride[0] = height * image.stride[1];
    image.batch_stride = channels * height * width;
  }
  double at(int64_t n, int64_t c, int64_t y, int64_t x) const {
    return static_cast<double>(values[static_cast<size_t>(n * image.batch_stride + c * image.channel_stride +
                                                          y * image.stride[1] + x * image.stride[2])]);
  }
};

/// Sums of up to a few thousand products of numbers up to 1.
template <class T>
void compare(const char* what, const std::vector<double>& exact, const std::vector<double>& got) {
  double square = 0, worst = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    square += exact[i] * exact[i];
    worst = std::max(worst, std::abs(exact[i] - got[i]));
  }
  const double rms = std::sqrt(square / static_cast<double>(exact.size()));
  if (!(worst <= (sizeof(T) == 4 ? 1e-5 : 1e-13) * (1 + rms))) {
    std::printf("%s: off by %g of %g\n", what, worst, rms);
    ++failures;
  }
}

template <class T>
bool check() {
  Shape s;
  s.batch = 1 + below(12);
  s.channels = 1 + below(9);
  s.filters = 1 + below(14);
  for (int d = 1; d < 3; ++d) {
    s.in[d] = 1 + below(30);
    s.kernel[d] = 1 + below(5);
    s.dilation[d] = 1 + below(2);
    s.pad[d] = below(6) - 1;
    s.out[d] = s.in[d] + s.pad[d] + below(4) - s.dilation[d] * (s.kernel[d] - 1);
    if (s.out[d] < 1) return false;
  }
  if (!planar_fits(s)) return false;
  Tensor<T> x(s.batch, s.channels, s.in[1], s.in[2], below(2) == 0);
  Tensor<T> grad(s.batch, s.filters, s.out[1], s.out[2], below(2) == 0);
  Tensor<T> weight(s.filters, s.channels, s.kernel[1], s.kernel[2], below(2) == 0);
  Weights<T> w;
  w.data = weight.values.data();
  w.filter_stride = weight.image.batch_stride;
  w.channel_stride = weight.image.channel_stride;
  w.tap_stride[1] = weight.image.stride[1];
  w.tap_stride[2] = weight.image.stride[2];
  std::vector<T> bias(static_cast<size_t>(s.filters), T(0.25));
  const bool biased = below(2) == 0;

  std::vector<double> exact, exact_grad(weight.values.size());
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t f = 0; f < s.filters; ++f)
      for (int64_t oy = 0; oy < s.out[1]; ++oy)
        for (int64_t ox = 0; ox < s.out[2]; ++ox) {
          double sum = biased ? 0.25 : 0;
          for (int64_t c = 0; c < s.channels; ++c)
            for (int64_t ky = 0; ky < s.kernel[1]; ++ky)
              for (int64_t kx = 0; kx < s.kernel[2]; ++kx) {
                const int64_t y = oy - s.pad[1] + ky * s.dilation[1], xx = ox - s.pad[2] + kx * s.dilation[2];
                if (y < 0 || y >= s.in[1] || xx < 0 || xx >= s.in[2]) continue;
                sum += weight.at(f, c, ky, kx) * x.at(n, c, y, xx);
                exact_grad[static_cast<size_t>(((f * s.channels + c) * s.kernel[1] + ky) * s.kernel[2] + kx)] +=
                    grad.at(n, f, oy, ox) * x.at(n, c, y, xx);
              }
          exact.push_back(sum);
        }

  Tensor<T> result(s.batch, s.filters, s.out[1], s.out[2], below(2) == 0);
  std::vector<T> first, first_grad;
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    for (T& v : result.values) v = std::numeric_limits<T>::quiet_NaN();
    planar_convolution<T>(default_context(), s, x.image, w, biased ? bias.data() : nullptr, result.image);
    std::vector<T> gradient(weight.values.size());
    if (!planar_weight_grad<T>(default_context(), s, x.image, grad.image, gradient.data())) {
      std::printf("finite numbers gave others\n");
      ++failures;
    }
    if (threads == 1) {
      first = result.values;
      first_grad = gradient;
    } else if (first != result.values || first_grad != gradient) {
      std::printf("depends on the number of threads\n");
      ++failures;
    }
  }
  std::vector<double> got;
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t f = 0; f < s.filters; ++f)
      for (int64_t oy = 0; oy < s.out[1]; ++oy)
        for (int64_t ox = 0; ox < s.out[2]; ++ox) got.push_back(result.at(n, f, oy, ox));
  compare<T>("convolution", exact, got);
  compare<T>("weight gradient", exact_grad, {first_grad.begin(), first_grad.end()});

  x.values[static_cast<size_t>(below(static_cast<int64_t>(x.values.size())))] = std::numeric_limits<T>::infinity();
  std::vector<T> gradient(weight.values.size());
  if (planar_weight_grad<T>(default_context(), s, x.image, grad.image, gradient.data()))
    for (const T v : gradient)
      if (!std::isfinite(v)) {
        std::printf("said that an infinite gradient is finite\n");
        ++failures;
      }
  return true;
}

}  // namespace

int main() {
  int done = 0;
  for (int round = 0; round < 20000 && done < 120 && failures == 0; ++round)
    done += check<float>() + (round % 3 == 0 && check<double>());
  if (done < 120) {
    std::printf("only %d problems\n", done);
    ++failures;
  }
  if (failures == 0) std::printf("planar: passed\n");
  return failures != 0;
}
