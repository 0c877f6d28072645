#include "bindings/front.h"
#include "fastcnn/ops/filtering.h"

namespace fastcnn::bindings {

template <decltype(fastcnn::gaussian_blur)* kernel, class Front, class Array = typename Front::Array>
Array blurred(const char* argument, const Array& image, const std::vector<double>& sigma, double truncate,
              const std::string& border) {
  Front front("gaussian_blur");
  const auto src = front.view(image, argument);
  const auto result = front.result(shape_of(src), dtype_of(src));
  const GaussianBlur blur{sigma, truncate, border_from(border.c_str(), "gaussian_blur")};
  front.run([&](const Context& context) { kernel(context, src, blur, result.view()); });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array gaussian_blur(const Array& image, const std::vector<double>& sigma, double truncate, const std::string& border) {
  return blurred<fastcnn::gaussian_blur, Front>("image", image, sigma, truncate, border);
}

template <class Front, class Array = typename Front::Array>
Array _gaussian_blur_backward(const Array& grad, const std::vector<double>& sigma, double truncate,
                              const std::string& border) {
  return blurred<fastcnn::gaussian_blur_backward, Front>("grad", grad, sigma, truncate, border);
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                               \
  OP(gaussian_blur, "(Tensor image, float[] sigma, float truncate, str border) -> Tensor") \
  TORCH_OP(_gaussian_blur_backward, "(Tensor grad, float[] sigma, float truncate, str border) -> Tensor")
