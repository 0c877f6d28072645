// Compares convolution, its transpose, the weight gradient and packed weights of every algorithm with a common
// definition in float64.
#include <algorithm>
#include <cmath>

#include "fastcnn/ops/conv.h"
#include "fuzz.h"

namespace fuzz {
namespace {

using Numbers = std::vector<double>;

Numbers numbers(const Tensor& tensor) {
  Numbers values(static_cast<size_t>(tensor.numel()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = tensor[static_cast<int64_t>(i)];
  return values;
}

/// Calls f(index in x, in weight, in y) for every product of the convolution y = x * weight.
template <class F>
void each_product(const Sizes& x, const Sizes& weight, const Sizes& y, const ConvGeometry& g, const F& f) {
  const auto last = [&](const Sizes& shape) {  // depth, height, width; absent ones are 1
    Sizes sizes(3 - static_cast<size_t>(g.spatial_dims), 1);
    sizes.insert(sizes.end(), shape.begin() + 2, shape.end());
    return sizes;
  };
  const Sizes in = last(x), out = last(y), kernel = last(weight);
  Sizes stride(3, 1), pad(3, 0), dilation(3, 1);
  for (int d = 0; d < g.spatial_dims; ++d) {
    const auto from = static_cast<size_t>(d), to = static_cast<size_t>(d + 3 - g.spatial_dims);
    stride[to] = g.stride[from], pad[to] = g.padding[from], dilation[to] = g.dilation[from];
  }
  const int64_t channels = weight[1], filters = weight[0], per_group = filters / g.groups;
  const auto flat = [](const Sizes& sizes, const int64_t* at) { return (at[0] * sizes[1] + at[1]) * sizes[2] + at[2]; };
  const int64_t in_pixels = product(in), out_pixels = product(out), taps = product(kernel);
  for (int64_t o = 0; o < out_pixels; ++o)
    for (int64_t t = 0; t < taps; ++t) {
      const int64_t to[3] = {o / out[2] / out[1], o / out[2] % out[1], o % out[2]};
      const int64_t tap[3] = {t / kernel[2] / kernel[1], t / kernel[2] % kernel[1], t % kernel[2]};
      int64_t from[3];
      bool inside = true;
      for (size_t d = 0; d < 3; ++d) {
        from[d] = to[d] * stride[d] - pad[d] + tap[d] * dilation[d];
        inside = inside && from[d] >= 0 && from[d] < in[d];
      }
      if (!inside) continue;
      const int64_t i = flat(in, from);
      for (int64_t n = 0; n < x[0]; ++n)
        for (int64_t k = 0; k < filters; ++k)
          for (int64_t c = 0; c < channels; ++c)
            f((n * x[1] + k / per_group * channels + c) * in_pixels + i, (k * channels + c) * taps + t,
              (n * filters + k) * out_pixels + o);
    }
}

double activate(Activation a, double x, double alpha) {
  switch (a) {
    case Activation::relu: return std::max(x, 0.0);
    case Activation::clamp: return std::min(std::max(x, 0.0), alpha);
    case Activation::leaky_relu: return x > 0 ? x : alpha * x;
    case Activation::elu: return x > 0 ? x : alpha * std::expm1(x);
    case Activation::silu: return x / (1 + std::exp(-x));
    case Activation::hardswish: return x * std::min(std::max(x + 3, 0.0), 6.0) / 6;
    case Activation::hardsigmoid: return std::min(std::max(x + 3, 0.0), 6.0) / 6;
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
    case Activation::tanh: return std::tanh(x);
    case Activation::softplus: return x > 20 ? x : std::log1p(std::exp(x));
    default: return x;
  }
}

std::string text(const Sizes& x, const Sizes& weight, const ConvGeometry& g) {
  std::string text;
  const auto add = [&](const char* name, const auto& numbers, int n) {
    text += std::string(", ") + name;
    for (int i = 0; i < n; ++i) text += " " + std::to_string(numbers[static_cast<size_t>(i)]);
  };
  add("input", x, g.spatial_dims + 2), add("weight", weight, g.spatial_dims + 2);
  add("stride", g.stride, g.spatial_dims), add("dilation", g.dilation, g.spatial_dims);
  add("padding", g.padding, g.spatial_dims), add("behind", g.padding_after, g.spatial_dims);
  return text + ", groups " + std::to_string(g.groups);
}

Tensor values(Input& in, DType dtype, const Sizes& shape) {
  Tensor tensor = in.one_in(3) && shape.size() > 2 ? Tensor::channels_last(dtype, shape) : Tensor(dtype, shape, in);
  tensor.fill_finite(in);
  return tensor;
}

Tensor result(Input& in, DType dtype, const Sizes& shape) {
  return in.one_in(2) ? Tensor::channels_last(dtype, shape) : Tensor(dtype, shape, in, false);
}

/// Sums of n products of units in any order or through a Winograd transform, whose numbers are up to some hundred times
/// as large; then the result's rounding.
void expect_sums(const std::string& name, const Tensor& got, const Numbers& expected, double n, double growth = 1) {
  const double unit = got.dtype() == DType::float64 ? 0x1p-53 : 0x1p-24;
  Tensor by_definition(DType::float64, got.shape()), wide(DType::float64, got.shape());
  for (size_t i = 0; i < expected.size(); ++i) {
    by_definition.set(static_cast<int64_t>(i), expected[i]);
    wide.set(static_cast<int64_t>(i), got[static_cast<int64_t>(i)]);
  }
  expect_close((name + " of " + name_of(got.dtype())).c_str(), wide, by_definition,
               growth * unit * (n + 1) * (n + 300) + 1e-7 * (got.dtype() == DType::float16), epsilon(got.dtype()));
}

}  // namespace

void run(Input& in) {
  enum { forward, transposed, weight_grad } op = static_cast<decltype(op)>(in.below(3));
  const DType dtype = in.dtype(kFloats);
  ConvGeometry g;
  g.spatial_dims = static_cast<int>(in.any_of<int64_t>({1, 2, 2, 2, 3}));
  const bool square = in.one_in(2);  // the kernels that networks use
  const int64_t k = in.any_of<int64_t>({1, 3, 3, 5, 7}), stride = in.any_of<int64_t>({1, 1, 2});
  Sizes x{1 + in.below(3)}, weight;
  const bool depthwise = in.one_in(6);
  const int64_t filters = depthwise ? in.any_of<int64_t>({1, 2}) : in.any_of<int64_t>({1, 2, 3, 4, 8, 16, 17, 33});
  const int64_t channels = depthwise ? 1 : in.any_of<int64_t>({1, 2, 3, 4, 8, 16, 17, 33});
  g.groups = depthwise ? 1 + in.below(36) : in.one_in(4) ? in.any_of<int64_t>({2, 3, 4, 8}) : 1;
  x.push_back(g.groups * channels);
  weight = {g.groups * filters, channels};
  in.wild = in.one_in(12);
  for (int d = 0; d < g.spatial_dims; ++d) {
    const auto i = static_cast<size_t>(d);
    const int64_t kernel = square ? k : 1 + in.below(5);
    weight.push_back(kernel);
    g.stride[i] = square ? stride : in.number(1, 4);
    g.dilation[i] = square ? 1 : in.number(1, 3);
    g.padding[i] = square ? k / 2 : in.one_in(8) ? in.number(0, 30) : in.number(0, 3);
    g.padding_after[i] = square ? k / 2 : in.number(0, 3);
    x.push_back(in.size(g.spatial_dims == 1 ? 100 : g.spatial_dims == 2 ? 24 : 9));
  }
  if (in.wild) g.groups = in.number(g.groups, g.groups);
  Sizes y;
  if (!runs([&] { y = convolution_shape(x, weight, g); })) return;
  // Rounds are short: fewer images, then fewer pixels.
  const double cost = static_cast<double>(product(y)) * static_cast<double>(product(weight) / weight[0]);
  if (!(cost <= 1 << 19) || product(x) > 1 << 18) return;

  const Pieces context(in);
  const std::vector<std::string> names = conv_algorithms();
  const int64_t choice = in.below(static_cast<int64_t>(names.size()) + 3);
  constexpr const char* kChoices[] = {"auto", "direct", "winograd"};
  const std::string algorithm = choice < 3 ? kChoices[choice] : names[static_cast<size_t>(choice - 3)];
  set_conv_algorithm(algorithm);

  const Tensor w = values(in, dtype, op == weight_grad ? Sizes{} : weight);
  if (op == weight_grad) {
    const Tensor input = values(in, dtype, x), grad = values(in, dtype, y);
    Tensor got(dtype, weight);
    must_run("convolution_weight_grad",
             [&] { convolution_weight_grad(context, grad.view(), input.view(), g, got.view()); });
    Numbers expected(static_cast<size_t>(product(weight)));
    const Numbers a = numbers(input), b = numbers(grad);
    each_product(x, weight, y, g, [&](int64_t i, int64_t t, int64_t o) {
      expected[static_cast<size_t>(t)] += a[static_cast<size_t>(i)] * b[static_cast<size_t>(o)];
    });
    return expect_sums("convolution_weight_grad by " + algorithm + text(x, weight, g), got, expected,
                       static_cast<double>(product(y) / y[1]));
  }

  // The transposed one runs from y to x.
  const Sizes &from = op == forward ? x : y, &to = op == forward ? y : x;
  const Tensor input = values(in, dtype, from), bias = values(in, dtype, {to[1]}), residual = values(in, dtype, to),
               scale = values(in, dtype, {to[0], to[1]}), input_scale = values(in, dtype, {from[0], from[1]});
  ConvEpilogue e;
  if (in.one_in(2)) e.bias = &bias.view();
  if (in.one_in(4)) e.residual = &residual.view();
  if (in.one_in(4)) e.scale = &scale.view();
  if (in.one_in(4)) e.input_scale = &input_scale.view();
  if (in.one_in(2)) e.activation = static_cast<Activation>(in.below(11));
  e.alpha = 0.75;
  Tensor got = result(in, dtype, to);
  const Sizes spatial(to.begin() + 2, to.end());
  const ConvWeight properties{weight, g, op == transposed, dtype};
  std::string name = op == forward ? "convolution" : "convolution_transpose";
  if (in.one_in(4)) {
    std::string packer;
    must_run("choose_conv_algorithm",
             [&] { packer = choose_conv_algorithm(properties, from, op == forward ? Sizes{} : spatial, true, 1); });
    name = "packed " + name + " by " + packer;
    int64_t size = 0;
    must_run(name.c_str(), [&] { size = packed_conv_size(properties, packer); });
    const Tensor packed(dtype == DType::float64 ? DType::float64 : DType::float32, {size});
    must_run(name.c_str(), [&] {
      pack_convolution(context, w.view(), properties, packer, packed.view());
      packed_convolution(context, input.view(), packed.view(), properties, packer, e, got.view());
    });
  } else {
    name += " by " + algorithm;
    must_run(name.c_str(), [&] {
      (op == forward ? convolution : convolution_transpose)(context, input.view(), w.view(), e, g, got.view());
    });
  }
  Numbers a = numbers(input), expected(static_cast<size_t>(product(to)));
  const Numbers b = numbers(w);
  const int64_t in_plane = product(from) / (from[0] * from[1]), out_plane = product(to) / (to[0] * to[1]);
  for (size_t i = 0; e.input_scale && i < a.size(); ++i) a[i] *= input_scale[static_cast<int64_t>(i) / in_plane];
  each_product(x, weight, y, g, [&](int64_t i, int64_t t, int64_t o) {
    if (op == transposed) std::swap(i, o);
    expected[static_cast<size_t>(o)] += a[static_cast<size_t>(i)] * b[static_cast<size_t>(t)];
  });
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    if (e.bias) expected[i] += bias[at / out_plane % to[1]];
    if (e.residual) expected[i] += residual[at];
    expected[i] = activate(e.activation, expected[i], e.alpha);
    if (e.scale) expected[i] *= scale[at / out_plane];
  }
  // No activation has a slope above 1.1 except hardswish, with 1.5.
  const int64_t sums = op == forward ? product(weight) / weight[0] : product(weight) / weight[1] / g.groups;
  expect_sums(name + text(x, weight, g), got, expected, static_cast<double>(sums), 1.5);
}

}  // namespace fuzz
