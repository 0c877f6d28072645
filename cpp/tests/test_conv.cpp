// Compares every convolution algorithm of the list with the reference, on random problems that it fits: 1-D to 3-D,
// groups, borders wider than the image and negative ones, gaps between the pixels, every epilogue. Results of one
// thread and of several are bit-identical. Tensors have their minimum size, so that AddressSanitizer detects
// out-of-bounds accesses.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "ops/conv/choice.h"

using namespace fastcnn;
using namespace fastcnn::conv;

namespace {

std::mt19937 bits(1);
int failures = 0;

int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
bool one_in(int64_t n) { return below(n) == 0; }
double unit() { return static_cast<double>(bits()) / 2147483648.0 - 1; }
template <size_t N>
int64_t any_of(const int64_t (&values)[N]) {
  return values[below(N)];
}

template <class T>
std::vector<T> randoms(int64_t n) {
  std::vector<T> values(static_cast<size_t>(n));
  for (T& v : values) v = static_cast<T>(unit());
  return values;
}

/// Pixels in a separate tensor, with a gap behind each.
template <class T, class U>
Pixels<T> laid_out(std::vector<U>& memory, const Shape& s, const int64_t (&size)[3], int64_t values, int64_t gap) {
  Pixels<T> pixels;
  int64_t stride = values + gap;
  for (int d = 2; d >= 0; --d) {
    pixels.stride[d] = stride;
    stride *= size[d];
  }
  pixels.batch_stride = stride;
  memory = randoms<U>(s.batch * stride - (stride > 0 ? gap : 0));
  pixels.data = memory.data();
  return pixels;
}

Shape random_shape() {
  Shape s;
  const int dims = 1 + static_cast<int>(below(3));
  s.batch = 1 + below(3);
  switch (below(5)) {
    case 0: s.groups = any_of({1, 2, 3, 16, 17, 40, 70}); break;  // depthwise
    case 1:
      s.groups = any_of({2, 3, 4, 8, 9});
      s.channels = any_of({2, 3, 4, 8, 16});
      s.filters = any_of({2, 4, 5, 8, 16, 20});
      break;
    case 2:
      s.channels = any_of({1, 2, 3, 4});
      s.filters = any_of({1, 6, 16, 17, 32, 40});
      break;
    default:
      s.channels = any_of({1, 5, 8, 16, 17, 33, 64, 130});
      s.filters = any_of({1, 3, 7, 8, 16, 17, 24, 33, 40, 70});
  }
  const bool square = one_in(2);  // the kernels that networks use
  const int64_t k = any_of({1, 3, 3, 5, 7}), stride = any_of({1, 1, 2});
  for (int d = 3 - dims; d < 3; ++d) {
    s.in[d] = 1 + below(dims == 1 ? 120 : dims == 2 ? 24 : 8);
    s.kernel[d] = square ? k : any_of({1, 2, 3, 4, 5});
    s.stride[d] = square ? stride : 1 + below(4);
    s.dilation[d] = square ? 1 : 1 + below(3);
    s.pad[d] = square ? k / 2 : one_in(8) ? 30 : below(6) - 2;
    // Any size is valid: positions behind the input read as zero.
    const int64_t full = s.in[d] + 2 * s.pad[d] - s.dilation[d] * (s.kernel[d] - 1) - 1;
    s.out[d] = full < 0 ? 1 + below(3) : full / s.stride[d] + 1 + (one_in(6) ? below(4) : 0);
  }
  return s;
}

template <class T>
void check(int round, const Shape& s) {
  const int64_t inputs = s.groups * s.channels, outputs = s.groups * s.filters;
  std::vector<T> src, dst, residual, expected, got;
  WorkItem<T> work;
  work.shape = s;
  const int64_t gap = one_in(3) ? 1 + below(20) : 0;
  work.src = laid_out<const T>(src, s, s.in, inputs, one_in(3) ? 1 + below(20) : 0);
  work.dst = laid_out<T>(dst, s, s.out, outputs, gap);
  const std::vector<T> bias = randoms<T>(outputs), scale = randoms<T>(s.batch * outputs),
                       input_scale = randoms<T>(s.batch * inputs),
                       weights = randoms<T>(outputs * s.channels * s.taps());
  if (!one_in(3)) work.epilogue.bias = bias.data();
  if (one_in(3)) work.epilogue.residual = laid_out<const T>(residual, s, s.out, outputs, below(3));
  if (one_in(3)) work.epilogue.scale = scale.data();
  if (one_in(4)) work.input_scale = input_scale.data();
  work.epilogue.activation = one_in(2) ? static_cast<Activation>(below(11)) : Activation::none;
  work.epilogue.alpha = T(0.75);
  Weights<T> w;
  w.data = weights.data();
  int64_t stride = 1;
  for (int d = 2; d >= 0; --d) {
    w.tap_stride[d] = stride;
    stride *= s.kernel[d];
  }
  w.channel_stride = stride;
  w.filter_stride = s.channels * w.channel_stride;
  w.group_stride = s.filters * w.filter_stride;

  const auto run = [&](const Algorithm& algorithm, const Context& context, std::vector<T>& result) {
    const Routines<T>& routines = algorithm.template routines<T>();
    std::vector<T> packed(static_cast<size_t>(routines.packed_size(s)));
    routines.pack(context, s, w, packed.data());
    result = dst;
    WorkItem<T> t = work;
    t.dst.data = result.data();
    routines.run(context, t, packed.data());
  };
  const std::vector<const Algorithm*>& all = algorithms();
  run(*all.back(), serial_context(), expected);
  const double rms = std::sqrt(static_cast<double>(s.channels * s.taps()) / 9);  // of sums of products of units
  for (const Algorithm* algorithm : all) {
    if (!algorithm->template routines<T>().pack || !algorithm->fits(s)) continue;
    const auto report = [&](const std::string& what) {
      std::printf("round %d, %s, %s: %s\n  batch %lld groups %lld channels %lld filters %lld\n", round, algorithm->name,
                  sizeof(T) == 4 ? "float" : "double", what.c_str(), static_cast<long long>(s.batch),
                  static_cast<long long>(s.groups), static_cast<long long>(s.channels),
                  static_cast<long long>(s.filters));
      for (int d = 0; d < 3; ++d)
        std::printf("  in %lld out %lld kernel %lld stride %lld dilation %lld pad %lld\n",
                    static_cast<long long>(s.in[d]), static_cast<long long>(s.out[d]),
                    static_cast<long long>(s.kernel[d]), static_cast<long long>(s.stride[d]),
                    static_cast<long long>(s.dilation[d]), static_cast<long long>(s.pad[d]));
      ++failures;
    };
    run(*algorithm, serial_context(), got);
    const double bound = (sizeof(T) == 4 ? 3e-5 : 1e-13) * (1 + rms);
    for (size_t i = 0; i < got.size(); ++i)
      if (!(std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i])) <= bound)) {
        report("off by " + std::to_string(got[i] - expected[i]) + " at " + std::to_string(i));
        return;
      }
    // Memory between the pixels stays unchanged.
    for (size_t i = 0; i < got.size(); ++i)
      if (static_cast<int64_t>(i) % (outputs + gap) >= outputs && got[i] != dst[i]) {
        report("wrote outside, at " + std::to_string(i));
        return;
      }
    std::vector<T> threaded;
    set_num_threads(static_cast<int>(2 + below(4)));
    run(*algorithm, default_context(), threaded);
    if (std::memcmp(threaded.data(), got.data(), got.size() * sizeof(T)) != 0) {
      report("depends on the number of threads");
      return;
    }
  }
}

/// Algorithms without a transform propagate NaN and infinities in the same way as the reference.
void check_special_values() {
  for (const Activation activation : {Activation::none, Activation::relu, Activation::clamp, Activation::leaky_relu,
                                      Activation::elu, Activation::silu, Activation::hardswish, Activation::hardsigmoid,
                                      Activation::sigmoid, Activation::tanh, Activation::softplus}) {
    std::vector<float> src(40), weights = {1};
    const float values[] = {std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            -0.0f,
                            0.0f,
                            std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::lowest()};
    for (size_t i = 0; i < src.size(); ++i) src[i] = i < 7 ? values[i] : static_cast<float>(unit() * 30);
    WorkItem<float> work;
    work.shape.in[2] = work.shape.out[2] = 40;
    work.src.data = src.data();
    for (int64_t& stride : work.src.stride) stride = 1;
    for (int64_t& stride : work.dst.stride) stride = 1;
    work.epilogue.activation = activation;
    work.epilogue.alpha = 2;
    Weights<float> w;
    w.data = weights.data();
    std::vector<float> expected;
    for (size_t a = algorithms().size(); a-- > 0;) {
      const Algorithm& algorithm = *algorithms()[a];
      if (!algorithm.fits(work.shape)) continue;
      std::vector<float> packed(static_cast<size_t>(algorithm.f32.packed_size(work.shape))), got(40);
      algorithm.f32.pack(serial_context(), work.shape, w, packed.data());
      work.dst.data = got.data();
      algorithm.f32.run(serial_context(), work, packed.data());
      if (expected.empty()) expected = got;
      for (size_t i = 0; i < got.size(); ++i) {
        const bool same = got[i] == expected[i] || (got[i] != got[i] && expected[i] != expected[i]) ||
                          std::abs(got[i] - expected[i]) <= 1e-6f * std::abs(expected[i]) + 1e-37f;
        if (!same) {
          std::printf("%s, activation %d of %g: expected %g, got %g\n", algorithm.name, static_cast<int>(activation),
                      static_cast<double>(src[i]), static_cast<double>(expected[i]), static_cast<double>(got[i]));
          ++failures;
        }
      }
    }
  }
}

}  // namespace

int main() {
  check_special_values();
  for (int round = 0; round < 600 && failures == 0; ++round) {
    Shape s = random_shape();
    if (round % 150 == 2) {  // so many filters that Winograd packs their taps
      s = Shape();
      s.channels = 261 + below(60), s.filters = 449 + below(60);
      for (int d = 1; d < 3; ++d) s.in[d] = s.out[d] = 3 + below(9), s.kernel[d] = 3, s.pad[d] = 1;
    }
    check<float>(round, s);
    if (round % 3 == 0) check<double>(round, s);
  }
  if (failures == 0) std::printf("convolution: passed\n");
  return failures != 0;
}
