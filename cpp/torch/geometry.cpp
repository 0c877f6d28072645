#include "fastcnn/ops/geometry.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

/// Like `image`, of other sides.
Tensor resized(const Tensor& image, int64_t height, int64_t width, const char* op) {
  std::vector<int64_t> shape = shape_of(image);
  FASTCNN_CHECK(shape.size() >= 2, op, ": expected image of shape (..., H, W)");
  FASTCNN_CHECK(height >= 0 && width >= 0, op, ": expected size of at least 0, got (", height, ", ", width, ")");
  shape[shape.size() - 2] = height, shape.back() = width;
  return new_result(image, shape, image.scalar_type());
}

template <decltype(fastcnn::resize)* kernel>
Tensor resize(const Tensor& image, int64_t height, int64_t width, const std::string& mode, bool antialias) {
  Tensor result = resized(image, height, width, "resize");
  kernel(context(), view(image), {interpolation_from(mode.c_str(), "resize"), antialias}, view(result));
  return result;
}

template <decltype(fastcnn::warp_affine)* kernel>
Tensor warp_affine(const Tensor& image, const Tensor& maps, int64_t height, int64_t width, const std::string& mode,
                   double fill) {
  Tensor result = resized(image, height, width, "warp_affine");
  kernel(context(), view(image), view(maps), {interpolation_from(mode.c_str(), "warp_affine"), fill}, view(result));
  return result;
}

Tensor warp_affine_backward_maps(const Tensor& grad, const Tensor& image, const Tensor& maps, const std::string& mode,
                                 double fill) {
  Tensor result = new_result(maps);
  fastcnn::warp_affine_backward_maps(context(), view(grad), view(image), view(maps),
                                     {interpolation_from(mode.c_str(), "warp_affine"), fill}, view(result));
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("resize(Tensor image, SymInt height, SymInt width, str mode, bool antialias) -> Tensor");
  m.def("_resize_backward(Tensor grad, SymInt height, SymInt width, str mode, bool antialias) -> Tensor");
  m.def("warp_affine(Tensor image, Tensor maps, SymInt height, SymInt width, str mode, float fill) -> Tensor");
  m.def("_warp_affine_backward(Tensor grad, Tensor maps, SymInt height, SymInt width, str mode, float fill) -> Tensor");
  m.def("_warp_affine_backward_maps(Tensor grad, Tensor image, Tensor maps, str mode, float fill) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("resize", FASTCNN_BOX(&resize<fastcnn::resize>));
  m.impl("_resize_backward", FASTCNN_BOX(&resize<fastcnn::resize_backward>));
  m.impl("warp_affine", FASTCNN_BOX(&warp_affine<fastcnn::warp_affine>));
  m.impl("_warp_affine_backward", FASTCNN_BOX(&warp_affine<fastcnn::warp_affine_backward>));
  m.impl("_warp_affine_backward_maps", FASTCNN_BOX(warp_affine_backward_maps));
}

}  // namespace fastcnn::torch_bridge
