#include "fastcnn/ops/deform.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

Deform options_of(const std::vector<int64_t>& sizes, int64_t groups, int64_t offset_groups) {
  FASTCNN_CHECK(sizes.size() == 8, "deform_conv2d: expected kernel, stride, padding and dilation of 2 values each");
  Deform o;
  for (size_t d = 0; d < 2; ++d) {
    o.kernel[d] = sizes[d], o.stride[d] = sizes[2 + d], o.padding[d] = sizes[4 + d], o.dilation[d] = sizes[6 + d];
    FASTCNN_CHECK(o.kernel[d] > 0 && o.stride[d] > 0 && o.dilation[d] > 0 && o.padding[d] >= 0,
                  "deform_conv2d: expected stride and dilation of at least 1 and padding of at least 0");
  }
  o.groups = groups, o.offset_groups = offset_groups;
  return o;
}

Tensor deform_columns(const Tensor& input, const Tensor& offset, const std::optional<Tensor>& mask,
                      const std::vector<int64_t>& sizes, int64_t groups, int64_t offset_groups) {
  FASTCNN_CHECK(input.dim() == 4 && offset.dim() == 4, "deform_conv2d: expected input and offset of 4 dimensions, got ",
                shape_text(view(input)), " and ", shape_text(view(offset)));
  const Deform o = options_of(sizes, groups, offset_groups);
  Tensor result = new_channels_last_result(
      input, {input.size(0), input.size(1) * o.kernel[0] * o.kernel[1], offset.size(2), offset.size(3)},
      input.scalar_type());
  const OptionalView scales(mask);
  fastcnn::deform_columns(context(), view(input), view(offset), scales.pointer, o, view(result));
  return result;
}

std::tuple<Tensor, Tensor, Tensor> deform_columns_backward(const Tensor& grad, const Tensor& input,
                                                           const Tensor& offset, const std::optional<Tensor>& mask,
                                                           const std::vector<int64_t>& sizes, int64_t groups,
                                                           int64_t offset_groups) {
  Tensor grad_input = new_result(input), grad_offset = new_result(offset);
  Tensor grad_mask = mask ? new_result(*mask) : new_result(offset, {0}, offset.scalar_type());
  const OptionalView scales(mask);
  const TensorView of_mask = view(grad_mask);
  fastcnn::deform_columns_backward(context(), view(grad), view(input), view(offset), scales.pointer,
                                   options_of(sizes, groups, offset_groups), view(grad_input), view(grad_offset),
                                   mask ? &of_mask : nullptr);
  return {grad_input, grad_offset, grad_mask};
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def(
      "deform_columns(Tensor input, Tensor offset, Tensor? mask, SymInt[] sizes, SymInt groups, SymInt offset_groups) "
      "-> Tensor");
  m.def(
      "_deform_columns_backward(Tensor grad, Tensor input, Tensor offset, Tensor? mask, SymInt[] sizes, SymInt groups, "
      "SymInt offset_groups) -> (Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("deform_columns", FASTCNN_BOX(deform_columns));
  m.impl("_deform_columns_backward", FASTCNN_BOX(deform_columns_backward));
}

}  // namespace fastcnn::torch_bridge
