#include "bindings/front.h"
#include "fastcnn/ops/geometry.h"

namespace fastcnn::bindings {

/// A result like `image`, with another height and width.
template <class Front>
auto resized(const Front& front, const TensorView& image, int64_t height, int64_t width, const char* op) {
  FASTCNN_CHECK(image.ndim >= 2, op, ": expected image of shape (..., H, W), got ", shape_text(image));
  FASTCNN_CHECK(height >= 0 && width >= 0, op, ": expected size of at least 0, got (", height, ", ", width, ")");
  Sizes shape = shape_of(image);
  shape[shape.size() - 2] = height, shape.back() = width;
  return front.result(shape, dtype_of(image));
}

template <decltype(fastcnn::resize)* kernel, class Front, class Array = typename Front::Array>
Array resampled(const Array& image, int64_t height, int64_t width, const std::string& mode, bool antialias) {
  Front front("resize");
  const auto src = front.view(image, "image");
  const auto result = resized(front, src, height, width, "resize");
  const Resize options{interpolation_from(mode.c_str(), "resize"), antialias};
  front.run([&](const Context& context) { kernel(context, src, options, result.view()); });
  return result.array();
}
template <class Front, class Array = typename Front::Array>
Array resize(const Array& image, int64_t height, int64_t width, const std::string& mode, bool antialias) {
  return resampled<fastcnn::resize, Front>(image, height, width, mode, antialias);
}
template <class Front, class Array = typename Front::Array>
Array _resize_backward(const Array& grad, int64_t height, int64_t width, const std::string& mode, bool antialias) {
  return resampled<fastcnn::resize_backward, Front>(grad, height, width, mode, antialias);
}

template <decltype(fastcnn::warp_affine)* kernel, class Front, class Array = typename Front::Array>
Array warped(const Array& image, const Array& maps, int64_t height, int64_t width, const std::string& mode,
             double fill) {
  Front front("warp_affine");
  const auto src = front.view(image, "image"), matrices = front.view(maps, "matrix");
  const auto result = resized(front, src, height, width, "warp_affine");
  const Warp options{interpolation_from(mode.c_str(), "warp_affine"), fill};
  front.run([&](const Context& context) { kernel(context, src, matrices, options, result.view()); });
  return result.array();
}
template <class Front, class Array = typename Front::Array>
Array warp_affine(const Array& image, const Array& maps, int64_t height, int64_t width, const std::string& mode,
                  double fill) {
  return warped<fastcnn::warp_affine, Front>(image, maps, height, width, mode, fill);
}
template <class Front, class Array = typename Front::Array>
Array _warp_affine_backward(const Array& grad, const Array& maps, int64_t height, int64_t width,
                            const std::string& mode, double fill) {
  return warped<fastcnn::warp_affine_backward, Front>(grad, maps, height, width, mode, fill);
}

template <class Front, class Array = typename Front::Array>
Array _warp_affine_backward_maps(const Array& grad, const Array& image, const Array& maps, const std::string& mode,
                                 double fill) {
  Front front("warp_affine");
  const auto up = front.view(grad, "grad"), src = front.view(image, "image"), matrices = front.view(maps, "matrix");
  const auto result = front.result(shape_of(matrices), dtype_of(matrices));
  const Warp options{interpolation_from(mode.c_str(), "warp_affine"), fill};
  front.run([&](const Context& context) {
    fastcnn::warp_affine_backward_maps(context, up, src, matrices, options, result.view());
  });
  return result.array();
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                   \
  OP(resize, "(Tensor image, SymInt height, SymInt width, str mode, bool antialias) -> Tensor")                \
  TORCH_OP(_resize_backward, "(Tensor grad, SymInt height, SymInt width, str mode, bool antialias) -> Tensor") \
  OP(warp_affine, "(Tensor image, Tensor maps, SymInt height, SymInt width, str mode, float fill) -> Tensor")  \
  TORCH_OP(_warp_affine_backward,                                                                              \
           "(Tensor grad, Tensor maps, SymInt height, SymInt width, str mode, float fill) -> Tensor")          \
  TORCH_OP(_warp_affine_backward_maps, "(Tensor grad, Tensor image, Tensor maps, str mode, float fill) -> Tensor")
