#include "fastcnn/ops/thresholding.h"

#include <algorithm>

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

LocalThreshold local(int64_t block_size, const std::string& method, double offset, const char* op) {
  return {block_size, local_method_from(method.c_str(), op), offset};
}

Tensor threshold_otsu(const Tensor& image, int64_t nbins, int64_t spatial_dims) {
  std::vector<int64_t> shape = shape_of(image);
  shape.resize(shape.size() - std::min(shape.size(), static_cast<size_t>(spatial_dims)));
  Tensor result = new_result(image, shape, image.scalar_type());
  fastcnn::threshold_otsu(context(), view(image), static_cast<int>(spatial_dims), nbins, view(result));
  return result;
}

Tensor threshold_local(const Tensor& image, int64_t block_size, const std::string& method, double offset) {
  const TensorView src = view(image);
  Tensor result = new_result(image, scalar_type(local_threshold_dtype(dtype_of(src))));
  fastcnn::threshold_local(context(), src, local(block_size, method, offset, "threshold_local"), view(result));
  return result;
}

Tensor threshold_local_backward(const Tensor& grad, int64_t block_size, const std::string& method) {
  Tensor result = new_result(grad);
  fastcnn::threshold_local_backward(context(), view(grad), local(block_size, method, 0, "_threshold_local_backward"),
                                    view(result));
  return result;
}

Tensor binarize_local(const Tensor& image, int64_t block_size, const std::string& method, double offset) {
  Tensor result = new_result(image, ScalarType::Bool);
  fastcnn::binarize_local(context(), view(image), local(block_size, method, offset, "binarize_local"), view(result));
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("threshold_otsu(Tensor image, SymInt nbins, int spatial_dims) -> Tensor");
  m.def("threshold_local(Tensor image, SymInt block_size, str method, float offset) -> Tensor");
  m.def("_threshold_local_backward(Tensor grad, SymInt block_size, str method) -> Tensor");
  m.def("binarize_local(Tensor image, SymInt block_size, str method, float offset) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("threshold_otsu", FASTCNN_BOX(threshold_otsu));
  m.impl("threshold_local", FASTCNN_BOX(threshold_local));
  m.impl("_threshold_local_backward", FASTCNN_BOX(threshold_local_backward));
  m.impl("binarize_local", FASTCNN_BOX(binarize_local));
}

}  // namespace fastcnn::torch_bridge
