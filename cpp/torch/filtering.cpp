#include "fastcnn/ops/filtering.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

using Kernel = decltype(fastcnn::gaussian_blur);

template <Kernel* kernel>
Tensor blur(const Tensor& image, const std::vector<double>& sigma, double truncate, const std::string& border) {
  Tensor result = new_result(image);
  kernel(context(), view(image), {sigma, truncate, border_from(border.c_str(), "gaussian_blur")}, view(result));
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("gaussian_blur(Tensor image, float[] sigma, float truncate, str border) -> Tensor");
  m.def("_gaussian_blur_backward(Tensor grad, float[] sigma, float truncate, str border) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("gaussian_blur", FASTCNN_BOX(&blur<fastcnn::gaussian_blur>));
  m.impl("_gaussian_blur_backward", FASTCNN_BOX(&blur<fastcnn::gaussian_blur_backward>));
}

}  // namespace fastcnn::torch_bridge
