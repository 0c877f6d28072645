#include "bindings/front.h"
#include "fastcnn/ops/roi.h"

namespace fastcnn::bindings {

inline Sizes pooled_shape(const char* op, const TensorView& input, const TensorView& rois, int64_t height,
                          int64_t width, int64_t bins_a_channel = 1) {
  FASTCNN_CHECK(input.ndim == 4, op, ": expected input of shape (N, C, H, W), got ", shape_text(input));
  FASTCNN_CHECK(rois.ndim == 2 && rois.shape[1] == 5, op, ": expected rois of shape (K, 5), got ", shape_text(rois));
  FASTCNN_CHECK(height > 0 && width > 0, op, ": expected output_size of at least 1, got ", height, " x ", width);
  FASTCNN_CHECK(input.shape[1] % bins_a_channel == 0, op, ": expected input of a multiple of ", bins_a_channel,
                " channels, got ", input.shape[1]);
  return {rois.shape[0], input.shape[1] / bins_a_channel, height, width};
}

template <class Front, class Array = typename Front::Array>
Array roi_align(const Array& input, const Array& rois, double spatial_scale, int64_t height, int64_t width,
                int64_t sampling_ratio, bool aligned) {
  Front front("roi_align");
  const auto src = front.view(input, "input"), regions = front.view(rois, "rois");
  const auto result =
      front.result_in_layout_of(src, pooled_shape("roi_align", src, regions, height, width), dtype_of(src));
  front.run([&](const Context& context) {
    fastcnn::roi_align(context, src, regions, {spatial_scale, sampling_ratio, aligned}, result.view());
  });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array _roi_pool_values(const Array& input, const Array& rois, double spatial_scale, int64_t height, int64_t width) {
  Front front("roi_pool");
  const auto src = front.view(input, "input"), regions = front.view(rois, "rois");
  const auto result =
      front.result_in_layout_of(src, pooled_shape("roi_pool", src, regions, height, width), dtype_of(src));
  front.run(
      [&](const Context& context) { fastcnn::roi_pool(context, src, regions, spatial_scale, result.view(), nullptr); });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> roi_pool(const Array& input, const Array& rois, double spatial_scale, int64_t height,
                                  int64_t width) {
  Front front("roi_pool");
  const auto src = front.view(input, "input"), regions = front.view(rois, "rois");
  const Sizes shape = pooled_shape("roi_pool", src, regions, height, width);
  const auto result = front.result_in_layout_of(src, shape, dtype_of(src));
  const auto argmax = front.result_in_layout_of(src, shape, DType::int32);
  const TensorView where = argmax.view();
  front.run(
      [&](const Context& context) { fastcnn::roi_pool(context, src, regions, spatial_scale, result.view(), &where); });
  return {result.array(), argmax.array()};
}

/// Shared by the position-sensitive ops: kernel(context, input, rois, result, mapping).
template <class Front, class Kernel, class Array = typename Front::Array>
std::tuple<Array, Array> position_sensitive(const char* op, const Array& input, const Array& rois, int64_t height,
                                            int64_t width, const Kernel& kernel) {
  Front front(op);
  const auto src = front.view(input, "input"), regions = front.view(rois, "rois");
  const Sizes shape = pooled_shape(op, src, regions, height, width, height * width);
  const auto result = front.result(shape, dtype_of(src)), mapping = front.result(shape, DType::int32);
  front.run([&](const Context& context) { kernel(context, src, regions, result.view(), mapping.view()); });
  return {result.array(), mapping.array()};
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> ps_roi_align(const Array& input, const Array& rois, double spatial_scale, int64_t height,
                                      int64_t width, int64_t sampling_ratio) {
  return position_sensitive<Front>(
      "ps_roi_align", input, rois, height, width,
      [&](const Context& context, const auto& src, const auto& regions, const auto&... to) {
        fastcnn::ps_roi_align(context, src, regions, spatial_scale, sampling_ratio, to...);
      });
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> ps_roi_pool(const Array& input, const Array& rois, double spatial_scale, int64_t height,
                                     int64_t width) {
  return position_sensitive<Front>(
      "ps_roi_pool", input, rois, height, width,
      [&](const Context& context, const auto& src, const auto& regions, const auto&... to) {
        fastcnn::ps_roi_pool(context, src, regions, spatial_scale, to...);
      });
}

/// The gradient with respect to an input of this shape: kernel(context, grad, rois, result).
template <class Front, class Kernel, class Array = typename Front::Array>
Array input_grad(const char* op, const Array& grad, const Array& rois, const Sizes& shape, const Kernel& kernel) {
  Front front(op);
  const auto up = front.view(grad, "grad"), regions = front.view(rois, "rois");
  const auto result = front.result(shape, dtype_of(up));
  front.run([&](const Context& context) { kernel(context, up, regions, result.view()); });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array _roi_align_backward(const Array& grad, const Array& rois, double spatial_scale, int64_t batch, int64_t channels,
                          int64_t height, int64_t width, int64_t sampling_ratio, bool aligned) {
  return input_grad<Front>("roi_align", grad, rois, {batch, channels, height, width},
                           [&](const Context& context, const auto& up, const auto& regions, const auto& result) {
                             fastcnn::roi_align_backward(context, up, regions, {spatial_scale, sampling_ratio, aligned},
                                                         result);
                           });
}

template <class Front, class Array = typename Front::Array>
Array _roi_pool_backward(const Array& grad, const Array& rois, const Array& argmax, int64_t batch, int64_t channels,
                         int64_t height, int64_t width) {
  Front front("roi_pool");
  const auto up = front.view(grad, "grad"), regions = front.view(rois, "rois"), where = front.view(argmax, "argmax");
  const auto result = front.result({batch, channels, height, width}, dtype_of(up));
  front.run([&](const Context& context) { fastcnn::roi_pool_backward(context, up, regions, where, result.view()); });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array _ps_roi_align_backward(const Array& grad, const Array& rois, double spatial_scale, int64_t batch,
                             int64_t channels, int64_t height, int64_t width, int64_t sampling_ratio) {
  return input_grad<Front>("ps_roi_align", grad, rois, {batch, channels, height, width},
                           [&](const Context& context, const auto& up, const auto& regions, const auto& result) {
                             fastcnn::ps_roi_align_backward(context, up, regions, spatial_scale, sampling_ratio,
                                                            result);
                           });
}

template <class Front, class Array = typename Front::Array>
Array _ps_roi_pool_backward(const Array& grad, const Array& rois, double spatial_scale, int64_t batch, int64_t channels,
                            int64_t height, int64_t width) {
  return input_grad<Front>("ps_roi_pool", grad, rois, {batch, channels, height, width},
                           [&](const Context& context, const auto& up, const auto& regions, const auto& result) {
                             fastcnn::ps_roi_pool_backward(context, up, regions, spatial_scale, result);
                           });
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                           \
  OP(roi_align,                                                                                                        \
     "(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width, SymInt sampling_ratio, bool "      \
     "aligned) -> Tensor")                                                                                             \
  TORCH_OP(_roi_align_backward,                                                                                        \
           "(Tensor grad, Tensor rois, float spatial_scale, SymInt batch, SymInt channels, SymInt height, SymInt "     \
           "width, SymInt sampling_ratio, bool aligned) -> Tensor")                                                    \
  OP(roi_pool, "(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width) -> (Tensor, Tensor)")    \
  OP(_roi_pool_values, "(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width) -> Tensor")      \
  TORCH_OP(_roi_pool_backward,                                                                                         \
           "(Tensor grad, Tensor rois, Tensor argmax, SymInt batch, SymInt channels, SymInt height, SymInt width) -> " \
           "Tensor")                                                                                                   \
  OP(ps_roi_align,                                                                                                     \
     "(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width, SymInt sampling_ratio) -> "        \
     "(Tensor, Tensor)")                                                                                               \
  TORCH_OP(_ps_roi_align_backward,                                                                                     \
           "(Tensor grad, Tensor rois, float spatial_scale, SymInt batch, SymInt channels, SymInt height, SymInt "     \
           "width, SymInt sampling_ratio) -> Tensor")                                                                  \
  OP(ps_roi_pool, "(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width) -> (Tensor, Tensor)") \
  TORCH_OP(_ps_roi_pool_backward,                                                                                      \
           "(Tensor grad, Tensor rois, float spatial_scale, SymInt batch, SymInt channels, SymInt height, SymInt "     \
           "width) -> Tensor")
