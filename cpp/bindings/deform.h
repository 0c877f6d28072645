#include "bindings/front.h"
#include "fastcnn/ops/deform.h"

namespace fastcnn::bindings {

inline Deform deform_options(const Sizes& sizes, int64_t groups, int64_t offset_groups) {
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

template <class Front, class Array = typename Front::Array>
Array deform_columns(const Array& input, const Array& offset, const std::optional<Array>& mask, const Sizes& sizes,
                     int64_t groups, int64_t offset_groups) {
  Front front("deform_conv2d");
  const auto src = front.view(input, "input"), shifts = front.view(offset, "offset");
  const auto scales = front.view(mask, "mask");
  FASTCNN_CHECK(src.ndim == 4 && shifts.ndim == 4, "deform_conv2d: expected input and offset of 4 dimensions, got ",
                shape_text(src), " and ", shape_text(shifts));
  const Deform o = deform_options(sizes, groups, offset_groups);
  const auto result = front.channels_last(
      {src.shape[0], src.shape[1] * o.kernel[0] * o.kernel[1], shifts.shape[2], shifts.shape[3]}, dtype_of(src));
  front.run([&](const Context& context) {
    fastcnn::deform_columns(context, src, shifts, pointer(scales), o, result.view());
  });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array, Array> _deform_columns_backward(const Array& grad, const Array& input, const Array& offset,
                                                         const std::optional<Array>& mask, const Sizes& sizes,
                                                         int64_t groups, int64_t offset_groups) {
  Front front("deform_conv2d");
  const auto up = front.view(grad, "grad"), src = front.view(input, "input"), shifts = front.view(offset, "offset");
  const auto scales = front.view(mask, "mask");
  const auto grad_input = front.result(shape_of(src), dtype_of(src));
  const auto grad_offset = front.result(shape_of(shifts), dtype_of(shifts));
  const auto grad_mask =
      scales ? front.result(shape_of(*scales), dtype_of(*scales)) : front.result({0}, dtype_of(shifts));
  const TensorView of_mask = grad_mask.view();
  front.run([&](const Context& context) {
    fastcnn::deform_columns_backward(context, up, src, shifts, pointer(scales),
                                     deform_options(sizes, groups, offset_groups), grad_input.view(),
                                     grad_offset.view(), scales ? &of_mask : nullptr);
  });
  return {grad_input.array(), grad_offset.array(), grad_mask.array()};
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                       \
  OP(deform_columns,                                                                                               \
     "(Tensor input, Tensor offset, Tensor? mask, SymInt[] sizes, SymInt groups, SymInt offset_groups) -> Tensor") \
  TORCH_OP(_deform_columns_backward,                                                                               \
           "(Tensor grad, Tensor input, Tensor offset, Tensor? mask, SymInt[] sizes, SymInt groups, SymInt "       \
           "offset_groups) -> (Tensor, Tensor, Tensor)")
