#include "fastcnn/ops/conv.h"

#include "bridge.h"
#include "program.h"

namespace fastcnn::torch_bridge {
namespace {

using Sizes = std::vector<int64_t>;

/// Views of the optional tensors, and the epilogue that points at them.
struct Extras {
  Extras(const std::optional<Tensor>& bias, const std::optional<Tensor>& residual, const std::optional<Tensor>& scale,
         const std::optional<Tensor>& input_scale) {
    const std::optional<Tensor>* tensors[] = {&bias, &residual, &scale, &input_scale};
    const TensorView** slots[] = {&epilogue.bias, &epilogue.residual, &epilogue.scale, &epilogue.input_scale};
    for (int i = 0; i < 4; ++i)
      if (tensors[i]->has_value()) {
        views[i] = view(**tensors[i]);
        *slots[i] = &views[i];
      }
  }
  Extras(const Extras&) = delete;
  Extras& operator=(const Extras&) = delete;
  TensorView views[4];
  ConvEpilogue epilogue;
};

/// Torch's rule: channels_last where either is.
const Tensor& layout_of(const Tensor& input, const Tensor& weight) {
  return is_channels_last(weight) && weight.dim() == input.dim() ? weight : input;
}

Tensor convolution(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias, const Sizes& stride,
                   const Sizes& padding, const Sizes& dilation, int64_t groups) {
  const ConvGeometry g = conv_geometry(stride, padding, dilation, groups);
  Tensor result = new_result_like_layout(layout_of(input, weight),
                                         convolution_shape(shape_of(input), shape_of(weight), g), input.scalar_type());
  const Extras extras(bias, {}, {}, {});
  fastcnn::convolution(context(), view(input), view(weight), extras.epilogue, g, view(result));
  return result;
}

Tensor convolution_transpose(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                             const Sizes& output_size, const Sizes& stride, const Sizes& padding, const Sizes& dilation,
                             int64_t groups) {
  const ConvGeometry g = conv_geometry(stride, padding, dilation, groups);
  Tensor result = new_result_like_layout(layout_of(input, weight),
                                         convolution_transpose_shape(shape_of(input), shape_of(weight), output_size, g),
                                         input.scalar_type());
  const Extras extras(bias, {}, {}, {});
  fastcnn::convolution_transpose(context(), view(input), view(weight), extras.epilogue, g, view(result));
  return result;
}

Tensor convolution_weight_grad(const Tensor& grad, const Tensor& input, const Sizes& kernel_size, const Sizes& stride,
                               const Sizes& padding, const Sizes& dilation, int64_t groups) {
  const ConvGeometry g = conv_geometry(stride, padding, dilation, groups);
  FASTCNN_CHECK(grad.dim() >= 2 && input.dim() >= 2 && groups > 0,
                "convolution_weight_grad: expected grad and input of at least 2 dimensions");
  Sizes shape{grad.size(1), input.size(1) / groups};
  shape.insert(shape.end(), kernel_size.begin(), kernel_size.end());
  Tensor result = new_result(input, shape, input.scalar_type());
  fastcnn::convolution_weight_grad(context(), view(grad), view(input), g, view(result));
  return result;
}

ConvWeight weight_of(const Sizes& size, const ConvGeometry& geometry, bool transposed, ScalarType dtype) {
  return {size, geometry, transposed, dtype == ScalarType::Double ? DType::float64 : DType::float32};
}

Tensor pack(const Tensor& weight, const Sizes& stride, const Sizes& padding, const Sizes& dilation, int64_t groups,
            bool transposed, const std::string& algorithm) {
  const ConvWeight properties =
      weight_of(shape_of(weight), conv_geometry(stride, padding, dilation, groups), transposed, weight.scalar_type());
  Tensor packed = new_result(weight, {packed_conv_size(properties, algorithm)}, scalar_type(properties.dtype));
  pack_convolution(context(), view(weight), properties, algorithm, view(packed));
  return packed;
}

void packed_out(const Tensor& input, const Tensor& packed, const std::optional<Tensor>& bias,
                const std::optional<Tensor>& residual, const std::optional<Tensor>& scale,
                const std::optional<Tensor>& input_scale, const Sizes& weight_size, const Sizes& stride,
                const Sizes& padding, const Sizes& dilation, int64_t groups, const Sizes& output_size,
                const std::string& activation, double alpha, const std::string& algorithm, const Tensor& out) {
  const ConvWeight weight = weight_of(weight_size, conv_geometry(stride, padding, dilation, groups),
                                      !output_size.empty(), input.scalar_type());
  Extras extras(bias, residual, scale, input_scale);
  extras.epilogue.activation = activation_from(activation.c_str(), "packed_convolution");
  extras.epilogue.alpha = alpha;
  Program* program = Program::recording();
  if (!program)
    return packed_convolution(context(), view(input), view(packed), weight, algorithm, extras.epilogue, view(out));
  ConvEpilogue& e = extras.epilogue;
  for (const TensorView** slot : {&e.bias, &e.residual, &e.scale, &e.input_scale})
    if (*slot) *slot = program->keep(**slot);
  program->add([src = program->keep(view(input)), weights = program->keep(view(packed)), dst = program->keep(view(out)),
                weight, algorithm, e] { packed_convolution(context(), *src, *weights, weight, algorithm, e, *dst); });
}

Tensor packed(const Tensor& input, const Tensor& packed, const std::optional<Tensor>& bias,
              const std::optional<Tensor>& residual, const std::optional<Tensor>& scale,
              const std::optional<Tensor>& input_scale, const Sizes& weight_size, const Sizes& stride,
              const Sizes& padding, const Sizes& dilation, int64_t groups, const Sizes& output_size,
              const std::string& activation, double alpha, const std::string& algorithm) {
  const ConvGeometry g = conv_geometry(stride, padding, dilation, groups);
  const Tensor result = new_result_like_layout(
      input,
      output_size.empty() ? convolution_shape(shape_of(input), weight_size, g)
                          : convolution_transpose_shape(shape_of(input), weight_size, output_size, g),
      input.scalar_type());
  packed_out(input, packed, bias, residual, scale, input_scale, weight_size, stride, padding, dilation, groups,
             output_size, activation, alpha, algorithm, result);
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def(
      "convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, "
      "SymInt groups) -> Tensor");
  m.def(
      "convolution_transpose(Tensor input, Tensor weight, Tensor? bias, SymInt[] output_size, SymInt[] stride, "
      "SymInt[] padding, SymInt[] dilation, SymInt groups) -> Tensor");
  m.def(
      "_convolution_weight_grad(Tensor grad, Tensor input, SymInt[] kernel_size, SymInt[] stride, SymInt[] padding, "
      "SymInt[] dilation, SymInt groups) -> Tensor");
  m.def(
      "_pack_convolution(Tensor weight, SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups, bool "
      "transposed, str algorithm) -> Tensor");
  m.def(
      "packed_convolution(Tensor input, Tensor packed, Tensor? bias, Tensor? residual, Tensor? scale, Tensor? "
      "input_scale, SymInt[] weight_size, SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups, "
      "SymInt[] output_size, str activation, float alpha, str algorithm) -> Tensor");
  m.def(
      "packed_convolution_out(Tensor input, Tensor packed, Tensor? bias, Tensor? residual, Tensor? scale, Tensor? "
      "input_scale, SymInt[] weight_size, SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups, "
      "SymInt[] output_size, str activation, float alpha, str algorithm, Tensor(a!) out) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("convolution", FASTCNN_BOX(convolution));
  m.impl("convolution_transpose", FASTCNN_BOX(convolution_transpose));
  m.impl("_convolution_weight_grad", FASTCNN_BOX(convolution_weight_grad));
  m.impl("_pack_convolution", FASTCNN_BOX(pack));
  m.impl("packed_convolution", FASTCNN_BOX(packed));
  m.impl("packed_convolution_out", FASTCNN_BOX(packed_out));
}

}  // namespace fastcnn::torch_bridge
