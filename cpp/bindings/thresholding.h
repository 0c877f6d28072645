#include "bindings/front.h"
#include "fastcnn/ops/thresholding.h"

namespace fastcnn::bindings {

template <class Front, class Array = typename Front::Array>
Array threshold_otsu(const Array& image, int64_t nbins, int64_t spatial_dims) {
  Front front("threshold_otsu");
  const auto src = front.view(image, "image");
  Sizes shape = shape_of(src);
  shape.resize(shape.size() - std::min(shape.size(), static_cast<size_t>(spatial_dims)));
  const auto result = front.result(shape, dtype_of(src));
  front.run([&](const Context& context) {
    fastcnn::threshold_otsu(context, src, static_cast<int>(spatial_dims), nbins, result.view());
  });
  return result.array();
}

/// kernel(context, image, threshold, result). A result of DType::undefined gets the dtype of local thresholds.
template <decltype(fastcnn::threshold_local)* kernel, class Front, class Array = typename Front::Array>
Array local(const char* op, const Array& image, int64_t block_size, const std::string& method, double offset,
            DType dtype) {
  Front front(op);
  const auto src = front.view(image, "image");
  const auto result =
      front.result(shape_of(src), dtype == DType::undefined ? local_threshold_dtype(dtype_of(src)) : dtype);
  const LocalThreshold threshold{block_size, local_method_from(method.c_str(), op), offset};
  front.run([&](const Context& context) { kernel(context, src, threshold, result.view()); });
  return result.array();
}
template <class Front, class Array = typename Front::Array>
Array threshold_local(const Array& image, int64_t block_size, const std::string& method, double offset) {
  return local<fastcnn::threshold_local, Front>("threshold_local", image, block_size, method, offset, DType::undefined);
}
template <class Front, class Array = typename Front::Array>
Array binarize_local(const Array& image, int64_t block_size, const std::string& method, double offset) {
  return local<fastcnn::binarize_local, Front>("binarize_local", image, block_size, method, offset, DType::boolean);
}

template <class Front, class Array = typename Front::Array>
Array _threshold_local_backward(const Array& grad, int64_t block_size, const std::string& method) {
  constexpr char op[] = "_threshold_local_backward";
  Front front(op);
  const auto up = front.view(grad, "grad");
  const auto result = front.result(shape_of(up), dtype_of(up));
  const LocalThreshold threshold{block_size, local_method_from(method.c_str(), op), 0};
  front.run([&](const Context& context) { fastcnn::threshold_local_backward(context, up, threshold, result.view()); });
  return result.array();
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                    \
  OP(threshold_otsu, "(Tensor image, SymInt nbins, int spatial_dims) -> Tensor")                \
  OP(threshold_local, "(Tensor image, SymInt block_size, str method, float offset) -> Tensor")  \
  TORCH_OP(_threshold_local_backward, "(Tensor grad, SymInt block_size, str method) -> Tensor") \
  OP(binarize_local, "(Tensor image, SymInt block_size, str method, float offset) -> Tensor")
