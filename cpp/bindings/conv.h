#include "bindings/front.h"
#include "fastcnn/ops/conv.h"

namespace fastcnn::bindings {

/// Torch's rule: the result is channels_last if either argument is.
template <class Front>
auto convolved(const Front& front, const TensorView& input, const TensorView& weight, const Sizes& shape) {
  const bool of_weight = weight.ndim == input.ndim && front.is_channels_last(weight);
  return front.result_in_layout_of(of_weight ? weight : input, shape, dtype_of(input));
}

inline std::string conv_name(const ConvGeometry& g, bool transposed) {
  return (transposed ? "conv_transpose" : "conv") + std::to_string(g.spatial_dims) + "d";
}

template <class Front, class Array = typename Front::Array>
Array convolution(const Array& input, const Array& weight, const std::optional<Array>& bias, const Sizes& stride,
                  const Sizes& padding, const Sizes& dilation, int64_t groups) {
  const ConvGeometry g = conv_geometry(stride, padding, dilation, groups);
  const std::string op = conv_name(g, false);
  Front front(op.c_str());
  const auto src = front.view(input, "input"), filters = front.view(weight, "weight");
  const auto offsets = front.view(bias, "bias");
  const auto result = convolved(front, src, filters, convolution_shape(shape_of(src), shape_of(filters), g));
  ConvEpilogue epilogue;
  epilogue.bias = pointer(offsets);
  front.run([&](const Context& context) { fastcnn::convolution(context, src, filters, epilogue, g, result.view()); });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array convolution_transpose(const Array& input, const Array& weight, const std::optional<Array>& bias,
                            const Sizes& output_size, const Sizes& stride, const Sizes& padding, const Sizes& dilation,
                            int64_t groups) {
  const ConvGeometry g = conv_geometry(stride, padding, dilation, groups);
  const std::string op = conv_name(g, true);
  Front front(op.c_str());
  const auto src = front.view(input, "input"), filters = front.view(weight, "weight");
  const auto offsets = front.view(bias, "bias");
  const auto result =
      convolved(front, src, filters, convolution_transpose_shape(shape_of(src), shape_of(filters), output_size, g));
  ConvEpilogue epilogue;
  epilogue.bias = pointer(offsets);
  front.run([&](const Context& context) {
    fastcnn::convolution_transpose(context, src, filters, epilogue, g, result.view());
  });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array _convolution_weight_grad(const Array& grad, const Array& input, const Sizes& kernel_size, const Sizes& stride,
                               const Sizes& padding, const Sizes& dilation, int64_t groups) {
  Front front("convolution_weight_grad");
  const auto up = front.view(grad, "grad"), src = front.view(input, "input");
  const ConvGeometry g = conv_geometry(stride, padding, dilation, groups);
  FASTCNN_CHECK(up.ndim >= 2 && src.ndim >= 2 && groups > 0,
                "convolution_weight_grad: expected grad and input of at least 2 dimensions");
  Sizes shape{up.shape[1], src.shape[1] / groups};
  shape.insert(shape.end(), kernel_size.begin(), kernel_size.end());
  const auto result = front.result(shape, dtype_of(src));
  front.run([&](const Context& context) { fastcnn::convolution_weight_grad(context, up, src, g, result.view()); });
  return result.array();
}

// --- with packed weights
// ----------------------------------------------------------------------------------------------

inline ConvWeight weight_of(const Sizes& size, const ConvGeometry& geometry, bool transposed, DType dtype) {
  return {size, geometry, transposed, dtype == DType::float64 ? DType::float64 : DType::float32};
}

template <class Front, class Array = typename Front::Array>
Array _pack_convolution(const Array& weight, const Sizes& stride, const Sizes& padding, const Sizes& dilation,
                        int64_t groups, bool transposed, const std::string& algorithm) {
  Front front("_pack_convolution");
  const auto src = front.view(weight, "weight");
  const ConvWeight properties =
      weight_of(shape_of(src), conv_geometry(stride, padding, dilation, groups), transposed, dtype_of(src));
  const auto packed = front.result({packed_conv_size(properties, algorithm)}, properties.dtype);
  front.run([&](const Context& context) { pack_convolution(context, src, properties, algorithm, packed.view()); });
  return packed.array();
}

/// `out` is an existing tensor. The call is recorded if a program is active.
template <class Front, class Array = typename Front::Array>
void packed_convolution_out(const Array& input, const Array& packed, const std::optional<Array>& bias,
                            const std::optional<Array>& residual, const std::optional<Array>& scale,
                            const std::optional<Array>& input_scale, const Sizes& weight_size, const Sizes& stride,
                            const Sizes& padding, const Sizes& dilation, int64_t groups, const Sizes& output_size,
                            const std::string& activation, double alpha, const std::string& algorithm,
                            const Array& out) {
  Front front("packed_convolution");
  const auto src = front.view(input, "input");
  ConvEpilogue epilogue;
  epilogue.activation = activation_from(activation.c_str(), "packed_convolution");
  epilogue.alpha = alpha;
  front.run_or_record(
      [epilogue, algorithm,
       weight = weight_of(weight_size, conv_geometry(stride, padding, dilation, groups), !output_size.empty(),
                          dtype_of(src))](const Context& context, const TensorView* image, const TensorView* weights,
                                          const TensorView* offsets, const TensorView* added, const TensorView* factor,
                                          const TensorView* input_factor, const TensorView* dst) {
        ConvEpilogue e = epilogue;
        e.bias = offsets, e.residual = added, e.scale = factor, e.input_scale = input_factor;
        fastcnn::packed_convolution(context, *image, *weights, weight, algorithm, e, *dst);
      },
      src, front.view(packed, "packed"), front.view(bias, "bias"), front.view(residual, "residual"),
      front.view(scale, "scale"), front.view(input_scale, "input_scale"), front.view(out, "out"));
}

template <class Front, class Array = typename Front::Array>
Array packed_convolution(const Array& input, const Array& packed, const std::optional<Array>& bias,
                         const std::optional<Array>& residual, const std::optional<Array>& scale,
                         const std::optional<Array>& input_scale, const Sizes& weight_size, const Sizes& stride,
                         const Sizes& padding, const Sizes& dilation, int64_t groups, const Sizes& output_size,
                         const std::string& activation, double alpha, const std::string& algorithm) {
  Front front("packed_convolution");
  const auto src = front.view(input, "input");
  const ConvGeometry g = conv_geometry(stride, padding, dilation, groups);
  const auto result = front.result_in_layout_of(
      src,
      output_size.empty() ? convolution_shape(shape_of(src), weight_size, g)
                          : convolution_transpose_shape(shape_of(src), weight_size, output_size, g),
      dtype_of(src));
  packed_convolution_out<Front>(input, packed, bias, residual, scale, input_scale, weight_size, stride, padding,
                                dilation, groups, output_size, activation, alpha, algorithm, result.array());
  return result.array();
}

}  // namespace fastcnn::bindings

#define FASTCNN_GEOMETRY "SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups"
#define FASTCNN_PACKED                                                                                          \
  "(Tensor input, Tensor packed, Tensor? bias, Tensor? residual, Tensor? scale, Tensor? input_scale, SymInt[] " \
  "weight_size, " FASTCNN_GEOMETRY ", SymInt[] output_size, str activation, float alpha, str algorithm"
#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                     \
  OP(convolution, "(Tensor input, Tensor weight, Tensor? bias, " FASTCNN_GEOMETRY ") -> Tensor")                 \
  OP(convolution_transpose,                                                                                      \
     "(Tensor input, Tensor weight, Tensor? bias, SymInt[] output_size, " FASTCNN_GEOMETRY ") -> Tensor")        \
  TORCH_OP(_convolution_weight_grad,                                                                             \
           "(Tensor grad, Tensor input, SymInt[] kernel_size, " FASTCNN_GEOMETRY ") -> Tensor")                  \
  TORCH_OP(_pack_convolution, "(Tensor weight, " FASTCNN_GEOMETRY ", bool transposed, str algorithm) -> Tensor") \
  TORCH_OP(packed_convolution, FASTCNN_PACKED ") -> Tensor")                                                     \
  TORCH_OP(packed_convolution_out, FASTCNN_PACKED ", Tensor(a!) out) -> ()")
