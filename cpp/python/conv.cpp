#include "fastcnn/ops/conv.h"

#include <algorithm>

#include "bridge.h"

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  using Sizes = std::vector<int64_t>;

  static const auto geometry_of = [](const Sizes& stride, const Sizes& padding, const Sizes& dilation, int64_t groups) {
    const size_t dims = stride.size();
    FASTCNN_CHECK(dims >= 1 && dims <= 3 && padding.size() == 2 * dims && dilation.size() == dims,
                  "convolution: expected 1 to 3 values of stride and dilation and twice as many of padding");
    ConvGeometry g;
    g.spatial_dims = static_cast<int>(dims);
    const auto after = padding.begin() + static_cast<ptrdiff_t>(dims);
    std::copy(stride.begin(), stride.end(), g.stride.begin());
    std::copy(padding.begin(), after, g.padding.begin());
    std::copy(after, padding.end(), g.padding_after.begin());
    std::copy(dilation.begin(), dilation.end(), g.dilation.begin());
    g.groups = groups;
    return g;
  };

  m.def("convolution",
        [](const py::object& input, const py::object& weight, const py::object& bias, const Sizes& output_size,
           const Sizes& stride, const Sizes& padding, const Sizes& dilation, int64_t groups) {
          const ConvGeometry g = geometry_of(stride, padding, dilation, groups);
          const bool transposed = !output_size.empty();
          const std::string op = (transposed ? "conv_transpose" : "conv") + std::to_string(g.spatial_dims) + "d";
          const Input src(input, op.c_str(), "input"), filters(weight, op.c_str(), "weight");
          const Output dst(transposed ? convolution_transpose_shape(src.shape(), filters.shape(), output_size, g)
                                      : convolution_shape(src.shape(), filters.shape(), g),
                           dtype_of(src.view()));
          ConvEpilogue epilogue;
          std::optional<Input> offsets;
          if (!bias.is_none()) epilogue.bias = &offsets.emplace(bias, op.c_str(), "bias").view();
          release_gil([&] {
            (transposed ? convolution_transpose : convolution)(default_context(), src.view(), filters.view(), epilogue,
                                                               g, dst.view());
          });
          return dst.array();
        });

  m.def("packed_conv_size",
        [](const Sizes& weight_size, const Sizes& stride, const Sizes& padding, const Sizes& dilation, int64_t groups,
           bool transposed, bool f64, const std::string& algorithm) {
          const ConvWeight weight{weight_size, geometry_of(stride, padding, dilation, groups), transposed,
                                  f64 ? DType::float64 : DType::float32};
          return packed_conv_size(weight, algorithm);
        });
  m.def("choose_conv_algorithm",
        [](const Sizes& input, const Sizes& weight_size, const Sizes& stride, const Sizes& padding,
           const Sizes& dilation, int64_t groups, const Sizes& output_size, bool f64, int threads, bool packed) {
          const ConvWeight weight{weight_size, geometry_of(stride, padding, dilation, groups), !output_size.empty(),
                                  f64 ? DType::float64 : DType::float32};
          return choose_conv_algorithm(weight, input, output_size, packed, threads);
        });
  m.def("conv_algorithms", conv_algorithms);
  m.def("set_conv_algorithm", set_conv_algorithm);
  m.def("get_conv_algorithm", get_conv_algorithm);
}
