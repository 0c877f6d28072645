#include "fastcnn/ops/conv.h"

#include <optional>
#include <tuple>

#include "bridge.h"

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  using Sizes = std::vector<int64_t>;

  m.def("convolution",
        [](const py::object& input, const py::object& weight, const py::object& bias, const Sizes& output_size,
           const Sizes& stride, const Sizes& padding, const Sizes& dilation, int64_t groups) {
          const ConvGeometry g = conv_geometry(stride, padding, dilation, groups);
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
          const ConvWeight weight{weight_size, conv_geometry(stride, padding, dilation, groups), transposed,
                                  f64 ? DType::float64 : DType::float32};
          return packed_conv_size(weight, algorithm);
        });
  m.def("choose_conv_algorithm", [](const Sizes& input, const Sizes& weight_size, const Sizes& stride,
                                    const Sizes& padding, const Sizes& dilation, int64_t groups,
                                    const Sizes& output_size, bool f64, int threads, bool packed, bool finite) {
    const ConvWeight weight{weight_size, conv_geometry(stride, padding, dilation, groups), !output_size.empty(),
                            f64 ? DType::float64 : DType::float32};
    return choose_conv_algorithm(weight, input, output_size, packed, threads, finite);
  });
  m.def("conv_candidates",
        [](const Sizes& input, const Sizes& weight_size, const Sizes& stride, const Sizes& padding,
           const Sizes& dilation, int64_t groups, const Sizes& output_size, bool f64, int threads, bool packed) {
          const ConvWeight weight{weight_size, conv_geometry(stride, padding, dilation, groups), !output_size.empty(),
                                  f64 ? DType::float64 : DType::float32};
          std::vector<std::tuple<std::string, bool, bool>> rows;
          for (const ConvCandidate& c : conv_candidates(weight, input, output_size, packed, threads))
            rows.emplace_back(c.name, c.fits, c.wins);
          return rows;
        });
  m.def("conv_algorithms", conv_algorithms);
  m.def("set_conv_algorithm", set_conv_algorithm);
  m.def("get_conv_algorithm", get_conv_algorithm);
}
