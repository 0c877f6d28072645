#include "ops/conv/phases.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "fastcnn/error.h"

namespace fastcnn {
namespace {

using conv::kernel_extent;
using conv::op_name;
using Sizes = std::vector<int64_t>;

// The maximum of padding and sizes: positions then fit into 64 bits, even when multiplied by the values of a pixel.
constexpr int64_t kMaxSize = int64_t{1} << 38;
// Exceeds every padded dimension, so that a longer stride has the same result.
constexpr int64_t kMaxStride = 4 * kMaxSize;

constexpr const char* kSpatial[] = {"", "L", "H, W", "D, H, W"};

std::string text(const Sizes& sizes) {
  std::string result = "(";
  for (size_t i = 0; i < sizes.size(); ++i) result += (i ? ", " : "") + std::to_string(sizes[i]);
  return result + (sizes.size() == 1 ? ",)" : ")");
}

// a + b * c, or an error: sizes near 2^63 must not wrap round.
int64_t checked(const std::string& op, int64_t a, int64_t b, int64_t c) {
  int64_t product, sum;
  FASTCNN_CHECK(!__builtin_mul_overflow(b, c, &product) && !__builtin_add_overflow(a, product, &sum), op,
                ": expected sizes whose products fit in 64 bits, got ", b, " times ", c);
  return sum;
}

void check_elements(const std::string& op, const Sizes& shape) {
  int64_t count = 8;  // the widest dtype's bytes
  for (const int64_t size : shape)
    FASTCNN_CHECK(!__builtin_mul_overflow(count, size, &count), op, ": a result of shape ", text(shape),
                  " is too large");
}

// Dilation has no effect on one tap.
int64_t dilation_of(int64_t kernel, int64_t dilation) { return kernel == 1 ? 1 : dilation; }

void check_common(const std::string& op, const Sizes& input, const Sizes& weight, const ConvGeometry& g) {
  FASTCNN_CHECK(input.size() == static_cast<size_t>(g.spatial_dims) + 2, op, ": expected input of shape (N, C, ",
                kSpatial[g.spatial_dims], ") or (C, ", kSpatial[g.spatial_dims], "), got ", text(input));
  conv::check_weight(op, weight, g);
  for (const int64_t size : input)
    FASTCNN_CHECK(size >= 0 && size <= kMaxSize, op, ": expected input of sizes of at least 0 and at most ", kMaxSize,
                  ", got ", text(input));
}

}  // namespace

ConvGeometry conv_geometry(const Sizes& stride, const Sizes& padding, const Sizes& dilation, int64_t groups) {
  const size_t dims = stride.size();
  FASTCNN_CHECK(dims >= 1 && dims <= 3 && padding.size() == 2 * dims && dilation.size() == dims,
                "convolution: expected 1 to 3 values of stride and dilation and twice as many of padding, got ", dims,
                ", ", dilation.size(), " and ", padding.size());
  ConvGeometry g;
  g.spatial_dims = static_cast<int>(dims);
  const auto behind = padding.begin() + static_cast<ptrdiff_t>(dims);
  std::copy(stride.begin(), stride.end(), g.stride.begin());
  std::copy(padding.begin(), behind, g.padding.begin());
  std::copy(behind, padding.end(), g.padding_after.begin());
  std::copy(dilation.begin(), dilation.end(), g.dilation.begin());
  g.groups = groups;
  return g;
}

std::vector<int64_t> convolution_shape(const Sizes& input, const Sizes& weight, const ConvGeometry& g) {
  const std::string op = op_name(g, false);
  check_common(op, input, weight, g);
  int64_t channels;
  FASTCNN_CHECK(!__builtin_mul_overflow(weight[1], g.groups, &channels) && input[1] == channels, op,
                ": expected input of ", weight[1], " channels per group (groups = ", g.groups, ", weight ",
                text(weight), "), got ", text(input));
  Sizes shape{input[0], weight[0]};
  for (int i = 0; i < g.spatial_dims; ++i) {
    const auto d = static_cast<size_t>(i);
    FASTCNN_CHECK(input[d + 2] > 0, op, ": expected input without empty spatial dimensions, got ", text(input));
    const int64_t padded = input[d + 2] + g.padding[d] + g.padding_after[d];
    const int64_t extent = kernel_extent(op, weight[d + 2], g.dilation[d]);
    FASTCNN_CHECK(padded >= extent, op, ": expected input of at least the kernel's extent, got a padded size of ",
                  padded, " under an extent of ", extent, " (input ", text(input), ", weight ", text(weight), ")");
    shape.push_back((padded - extent) / g.stride[d] + 1);
  }
  check_elements(op, shape);
  return shape;
}

std::vector<int64_t> convolution_transpose_shape(const Sizes& input, const Sizes& weight, const Sizes& output_size,
                                                 const ConvGeometry& g) {
  const std::string op = op_name(g, true);
  check_common(op, input, weight, g);
  FASTCNN_CHECK(input[1] == weight[0], op, ": expected input of ", weight[0], " channels (weight ", text(weight),
                "), got ", text(input));
  FASTCNN_CHECK(output_size.size() == static_cast<size_t>(g.spatial_dims), op, ": expected output_size of ",
                g.spatial_dims, " values, got ", text(output_size));
  Sizes shape{input[0], checked(op, 0, weight[1], g.groups)};
  for (int i = 0; i < g.spatial_dims; ++i) {
    const auto d = static_cast<size_t>(i);
    // The sizes that a forward convolution maps to this input.
    const int64_t extent = kernel_extent(op, weight[d + 2], g.dilation[d]);
    const int64_t minimum =
        checked(op, extent - g.padding[d] - g.padding_after[d], g.stride[d], std::max<int64_t>(input[d + 2] - 1, 0));
    const int64_t slack = std::max(g.stride[d], g.dilation[d]) - 1, top = std::numeric_limits<int64_t>::max();
    const int64_t maximum = minimum > top - slack ? top : minimum + slack;
    FASTCNN_CHECK(output_size[d] <= kMaxSize, op, ": expected output_size of at most ", kMaxSize, ", got ",
                  output_size[d]);
    FASTCNN_CHECK(input[d + 2] > 0 && output_size[d] > 0 && output_size[d] >= minimum && output_size[d] <= maximum, op,
                  ": expected an output size between ", minimum, " and ", maximum, " and at least 1, got ",
                  output_size[d], " (input ", text(input), ", weight ", text(weight), ")");
    shape.push_back(output_size[d]);
  }
  check_elements(op, shape);
  return shape;
}

namespace conv {

std::string op_name(const ConvGeometry& g, bool transposed) {
  FASTCNN_CHECK(g.spatial_dims >= 1 && g.spatial_dims <= 3, "convolution: expected 1 to 3 spatial dimensions, got ",
                g.spatial_dims);
  return (transposed ? "conv_transpose" : "conv") + std::to_string(g.spatial_dims) + "d";
}

int64_t kernel_extent(const std::string& op, int64_t kernel, int64_t dilation) {
  return checked(op, 1, dilation, kernel - 1);
}

void check_weight(const std::string& op, const Sizes& weight, const ConvGeometry& g) {
  const size_t dims = static_cast<size_t>(g.spatial_dims) + 2;
  FASTCNN_CHECK(weight.size() == dims, op, ": expected weight of ", dims, " dimensions, got ", text(weight));
  FASTCNN_CHECK(g.groups > 0, op, ": expected groups of at least 1, got ", g.groups);
  for (const int64_t size : weight)
    FASTCNN_CHECK(size > 0, op, ": expected weight without empty dimensions, got ", text(weight));
  for (int i = 0; i < g.spatial_dims; ++i) {
    const auto d = static_cast<size_t>(i);
    FASTCNN_CHECK(g.stride[d] > 0, op, ": expected stride of at least 1, got ", g.stride[d]);
    FASTCNN_CHECK(g.dilation[d] > 0, op, ": expected dilation of at least 1, got ", g.dilation[d]);
    for (const int64_t padding : {g.padding[d], g.padding_after[d]})
      FASTCNN_CHECK(padding >= 0 && padding <= kMaxSize, op, ": expected padding of at least 0 and at most ", kMaxSize,
                    ", got ", padding);
  }
  FASTCNN_CHECK(weight[0] % g.groups == 0, op,
                ": expected weight's first dimension to be divisible by groups = ", g.groups, ", got ", text(weight));
}

std::vector<Phase> forward_phases(const Sizes& input, const Sizes& weight, const Sizes& dst, const ConvGeometry& g) {
  Phase phase;
  Shape& s = phase.shape;
  s.batch = input[0];
  s.groups = g.groups;
  s.channels = weight[1];
  s.filters = weight[0] / g.groups;
  for (int i = 0; i < g.spatial_dims; ++i) {
    const auto from = static_cast<size_t>(i);
    const int to = i + 3 - g.spatial_dims;
    s.in[to] = input[from + 2];
    s.out[to] = dst[from + 2];
    s.kernel[to] = weight[from + 2];
    s.stride[to] = std::min(g.stride[from], kMaxStride);
    s.dilation[to] = dilation_of(s.kernel[to], g.dilation[from]);
    s.pad[to] = g.padding[from];
  }
  return {phase};
}

std::vector<Phase> transposed_phases(const Sizes& input, const Sizes& weight, const Sizes& dst, const ConvGeometry& g) {
  Phase whole;
  whole.shape.batch = input[0];
  whole.shape.groups = g.groups;
  whole.shape.channels = weight[0] / g.groups;
  whole.shape.filters = weight[1];
  std::vector<Phase> phases{whole};
  for (int i = 0; i < g.spatial_dims; ++i) {
    const auto from = static_cast<size_t>(i);
    const int to = i + 3 - g.spatial_dims;
    const int64_t kernel = weight[from + 2], stride = std::min(g.stride[from], kMaxStride);
    const int64_t dilation = dilation_of(kernel, g.dilation[from]);
    const int64_t common = std::gcd(stride, dilation), step = stride / common;
    std::vector<int64_t> starts(static_cast<size_t>(std::min(stride, dst[from + 2])));
    std::iota(starts.begin(), starts.end(), int64_t{0});
    // If the result is smaller than the stride, some phases have no pixels. Their taps are packed with the others
    // anyway.
    for (int64_t tap = 0; tap < std::min(kernel, step); ++tap) {
      const int64_t start = ((tap * dilation - g.padding[from]) % stride + stride) % stride;
      if (start >= dst[from + 2]) starts.push_back(start);
    }
    std::sort(starts.begin(), starts.end());
    std::vector<Phase> finer;
    for (const Phase& coarse : phases)
      for (const int64_t start : starts) {
        // Result pixel o uses tap t with input pixel (o + padding - t * dilation) / stride if that is an integer.
        const int64_t offset = start + g.padding[from];
        int64_t first = 0, count = 0;
        if (offset % common == 0) {
          while (first < std::min(kernel, step) && (offset - first * dilation) % stride != 0) ++first;
          if (first < std::min(kernel, step)) count = (kernel - 1 - first) / step + 1;
        }
        Phase phase = coarse;
        Shape& s = phase.shape;
        s.in[to] = input[from + 2];
        s.out[to] = start < dst[from + 2] ? (dst[from + 2] - start - 1) / stride + 1 : 0;
        s.kernel[to] = count;
        s.dilation[to] = dilation / common;
        s.pad[to] = count ? (count - 1) * s.dilation[to] - (offset - first * dilation) / stride : 0;
        phase.first_tap[to] = count ? first + (count - 1) * step : 0;
        phase.tap_step[to] = -step;
        phase.first_out[to] = start;
        phase.out_step[to] = s.out[to] > 1 ? stride : 1;
        finer.push_back(phase);
      }
    phases = std::move(finer);
  }
  return phases;
}

}  // namespace conv
}  // namespace fastcnn
