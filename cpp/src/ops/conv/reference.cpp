// The readable oracle: seven loops, the sum in double.
#include "ops/conv/activation.h"
#include "ops/conv/algorithm.h"

namespace fastcnn::conv {
namespace {

template <class T>
int64_t packed_size(const Shape& s) {
  return s.groups * s.filters * s.channels * s.taps();
}

/// [group][filter][depth][height][width][channel]
template <class T>
void pack(const Context&, const Shape& s, const Weights<T>& w, T* packed) {
  for (int64_t g = 0; g < s.groups; ++g)
    for (int64_t f = 0; f < s.filters; ++f)
      for (int64_t z = 0; z < s.kernel[0]; ++z)
        for (int64_t y = 0; y < s.kernel[1]; ++y)
          for (int64_t x = 0; x < s.kernel[2]; ++x)
            for (int64_t c = 0; c < s.channels; ++c)
              *packed++ = w.data[g * w.group_stride + f * w.filter_stride + c * w.channel_stride + z * w.tap_stride[0] +
                                 y * w.tap_stride[1] + x * w.tap_stride[2]];
}

/// One value of the result before its epilogue.
template <class T>
double sum_at(const WorkItem<T>& work, const T* weight, int64_t n, int64_t g, const int64_t (&out)[3]) {
  const Shape& s = work.shape;
  double sum = 0;
  for (int64_t z = 0; z < s.kernel[0]; ++z)
    for (int64_t y = 0; y < s.kernel[1]; ++y)
      for (int64_t x = 0; x < s.kernel[2]; ++x, weight += s.channels) {
        const int64_t at[3] = {out[0] * s.stride[0] - s.pad[0] + z * s.dilation[0],
                               out[1] * s.stride[1] - s.pad[1] + y * s.dilation[1],
                               out[2] * s.stride[2] - s.pad[2] + x * s.dilation[2]};
        if (at[0] < 0 || at[0] >= s.in[0] || at[1] < 0 || at[1] >= s.in[1] || at[2] < 0 || at[2] >= s.in[2]) continue;
        const T* pixel = work.src.data + n * work.src.batch_stride + at[0] * work.src.stride[0] +
                         at[1] * work.src.stride[1] + at[2] * work.src.stride[2] + g * s.channels;
        const T* scale = work.input_scale ? work.input_scale + (n * s.groups + g) * s.channels : nullptr;
        for (int64_t c = 0; c < s.channels; ++c)
          sum += static_cast<double>(pixel[c]) * static_cast<double>(weight[c]) *
                 (scale ? static_cast<double>(scale[c]) : 1.0);
      }
  return sum;
}

template <class T>
void run(const Context& context, const WorkItem<T>& work, const T* packed) {
  const Shape& s = work.shape;
  const Epilogue<T>& e = work.epilogue;
  const int64_t filters = s.groups * s.filters;
  context.parallel_for(0, s.batch * s.out[0] * s.out[1], 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t y = row % s.out[1], z = row / s.out[1] % s.out[0], n = row / (s.out[1] * s.out[0]);
      for (int64_t x = 0; x < s.out[2]; ++x)
        for (int64_t k = 0; k < filters; ++k) {
          double value = sum_at(work, packed + k * s.taps() * s.channels, n, k / s.filters, {z, y, x});
          if (e.bias) value += static_cast<double>(e.bias[k]);
          if (e.residual.data)
            value += static_cast<double>(e.residual.data[n * e.residual.batch_stride + z * e.residual.stride[0] +
                                                         y * e.residual.stride[1] + x * e.residual.stride[2] + k]);
          value = activate(e.activation, value, static_cast<double>(e.alpha));
          if (e.scale) value *= static_cast<double>(e.scale[n * filters + k]);
          work.dst.data[n * work.dst.batch_stride + z * work.dst.stride[0] + y * work.dst.stride[1] +
                        x * work.dst.stride[2] + k] = static_cast<T>(value);
        }
    }
  });
}

}  // namespace

const Algorithm kReference = {"reference",
                              [](const Shape&) { return true; },
                              [](const Shape&, int) { return true; },
                              {packed_size<float>, pack<float>, run<float>},
                              {packed_size<double>, pack<double>, run<double>}};

}  // namespace fastcnn::conv
