#include "fastcnn/ops/roi.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

std::vector<int64_t> pooled_shape(const char* op, const Tensor& input, const Tensor& rois, int64_t height,
                                  int64_t width, int64_t bins_a_channel = 1) {
  FASTCNN_CHECK(input.dim() == 4, op, ": expected input of shape (N, C, H, W), got ", shape_text(view(input)));
  FASTCNN_CHECK(rois.dim() == 2 && rois.size(1) == 5, op, ": expected rois of shape (K, 5), got ",
                shape_text(view(rois)));
  FASTCNN_CHECK(height > 0 && width > 0, op, ": expected output_size of at least 1, got ", height, " x ", width);
  FASTCNN_CHECK(input.size(1) % bins_a_channel == 0, op, ": expected input of a multiple of ", bins_a_channel,
                " channels, got ", input.size(1));
  return {rois.size(0), input.size(1) / bins_a_channel, height, width};
}

Tensor roi_align(const Tensor& input, const Tensor& rois, double spatial_scale, int64_t height, int64_t width,
                 int64_t sampling_ratio, bool aligned) {
  const std::vector<int64_t> shape = pooled_shape("roi_align", input, rois, height, width);
  Tensor result = new_result_like_layout(input, shape, input.scalar_type());
  fastcnn::roi_align(context(), view(input), view(rois), {spatial_scale, sampling_ratio, aligned}, view(result));
  return result;
}

Tensor roi_align_backward(const Tensor& grad, const Tensor& rois, double spatial_scale, int64_t batch, int64_t channels,
                          int64_t height, int64_t width, int64_t sampling_ratio, bool aligned) {
  Tensor result = new_result(grad, {batch, channels, height, width}, grad.scalar_type());
  fastcnn::roi_align_backward(context(), view(grad), view(rois), {spatial_scale, sampling_ratio, aligned},
                              view(result));
  return result;
}

std::tuple<Tensor, Tensor> roi_pool(const Tensor& input, const Tensor& rois, double spatial_scale, int64_t height,
                                    int64_t width) {
  const std::vector<int64_t> shape = pooled_shape("roi_pool", input, rois, height, width);
  Tensor result = new_result_like_layout(input, shape, input.scalar_type());
  Tensor argmax = new_result_like_layout(input, shape, ScalarType::Int);
  const TensorView where = view(argmax);
  fastcnn::roi_pool(context(), view(input), view(rois), spatial_scale, view(result), &where);
  return {result, argmax};
}

Tensor roi_pool_values(const Tensor& input, const Tensor& rois, double spatial_scale, int64_t height, int64_t width) {
  const std::vector<int64_t> shape = pooled_shape("roi_pool", input, rois, height, width);
  Tensor result = new_result_like_layout(input, shape, input.scalar_type());
  fastcnn::roi_pool(context(), view(input), view(rois), spatial_scale, view(result), nullptr);
  return result;
}

Tensor roi_pool_backward(const Tensor& grad, const Tensor& rois, const Tensor& argmax, int64_t batch, int64_t channels,
                         int64_t height, int64_t width) {
  Tensor result = new_result(grad, {batch, channels, height, width}, grad.scalar_type());
  fastcnn::roi_pool_backward(context(), view(grad), view(rois), view(argmax), view(result));
  return result;
}

std::tuple<Tensor, Tensor> ps_roi_align(const Tensor& input, const Tensor& rois, double spatial_scale, int64_t height,
                                        int64_t width, int64_t sampling_ratio) {
  const std::vector<int64_t> shape = pooled_shape("ps_roi_align", input, rois, height, width, height * width);
  Tensor result = new_result(input, shape, input.scalar_type()), mapping = new_result(input, shape, ScalarType::Int);
  fastcnn::ps_roi_align(context(), view(input), view(rois), spatial_scale, sampling_ratio, view(result), view(mapping));
  return {result, mapping};
}

Tensor ps_roi_align_backward(const Tensor& grad, const Tensor& rois, double spatial_scale, int64_t batch,
                             int64_t channels, int64_t height, int64_t width, int64_t sampling_ratio) {
  Tensor result = new_result(grad, {batch, channels, height, width}, grad.scalar_type());
  fastcnn::ps_roi_align_backward(context(), view(grad), view(rois), spatial_scale, sampling_ratio, view(result));
  return result;
}

std::tuple<Tensor, Tensor> ps_roi_pool(const Tensor& input, const Tensor& rois, double spatial_scale, int64_t height,
                                       int64_t width) {
  const std::vector<int64_t> shape = pooled_shape("ps_roi_pool", input, rois, height, width, height * width);
  Tensor result = new_result(input, shape, input.scalar_type()), mapping = new_result(input, shape, ScalarType::Int);
  fastcnn::ps_roi_pool(context(), view(input), view(rois), spatial_scale, view(result), view(mapping));
  return {result, mapping};
}

Tensor ps_roi_pool_backward(const Tensor& grad, const Tensor& rois, double spatial_scale, int64_t batch,
                            int64_t channels, int64_t height, int64_t width) {
  Tensor result = new_result(grad, {batch, channels, height, width}, grad.scalar_type());
  fastcnn::ps_roi_pool_backward(context(), view(grad), view(rois), spatial_scale, view(result));
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def(
      "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width, SymInt sampling_ratio, "
      "bool aligned) -> Tensor");
  m.def(
      "_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt batch, SymInt channels, SymInt "
      "height, SymInt width, SymInt sampling_ratio, bool aligned) -> Tensor");
  m.def("roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width) -> (Tensor, Tensor)");
  m.def("_roi_pool_values(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width) -> Tensor");
  m.def(
      "_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, SymInt batch, SymInt channels, SymInt height, "
      "SymInt width) -> Tensor");
  m.def(
      "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width, SymInt "
      "sampling_ratio) -> (Tensor, Tensor)");
  m.def(
      "_ps_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt batch, SymInt channels, SymInt "
      "height, SymInt width, SymInt sampling_ratio) -> Tensor");
  m.def("ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt height, SymInt width) -> (Tensor, Tensor)");
  m.def(
      "_ps_roi_pool_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt batch, SymInt channels, SymInt "
      "height, SymInt width) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("roi_align", FASTCNN_BOX(roi_align));
  m.impl("_roi_align_backward", FASTCNN_BOX(roi_align_backward));
  m.impl("roi_pool", FASTCNN_BOX(roi_pool));
  m.impl("_roi_pool_values", FASTCNN_BOX(roi_pool_values));
  m.impl("_roi_pool_backward", FASTCNN_BOX(roi_pool_backward));
  m.impl("ps_roi_align", FASTCNN_BOX(ps_roi_align));
  m.impl("_ps_roi_align_backward", FASTCNN_BOX(ps_roi_align_backward));
  m.impl("ps_roi_pool", FASTCNN_BOX(ps_roi_pool));
  m.impl("_ps_roi_pool_backward", FASTCNN_BOX(ps_roi_pool_backward));
}

}  // namespace fastcnn::torch_bridge
