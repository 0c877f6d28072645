#include "fastcnn/ops/distance.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

const double* checked(const std::optional<std::vector<double>>& sampling, int64_t spatial_dims) {
  FASTCNN_CHECK(!sampling || static_cast<int64_t>(sampling->size()) == spatial_dims,
                "distance_transform_edt: expected sampling of ", spatial_dims, " values, got ",
                sampling ? sampling->size() : 0);
  return sampling ? sampling->data() : nullptr;
}

Tensor distance_transform_edt(const Tensor& mask, const std::optional<std::vector<double>>& sampling, bool squared,
                              int64_t spatial_dims) {
  Tensor result = new_result(mask, squared ? ScalarType::Int : ScalarType::Float);
  fastcnn::distance_transform_edt(context(), view(mask), static_cast<int>(spatial_dims),
                                  checked(sampling, spatial_dims), view(result), nullptr);
  return result;
}

std::tuple<Tensor, Tensor> distance_transform_edt_indices(const Tensor& mask,
                                                          const std::optional<std::vector<double>>& sampling,
                                                          bool squared, int64_t spatial_dims) {
  Tensor result = new_result(mask, squared ? ScalarType::Int : ScalarType::Float);
  std::vector<int64_t> shape = shape_of(mask);
  const auto leading = static_cast<int64_t>(shape.size()) - spatial_dims;
  if (leading >= 0) shape.insert(shape.begin() + leading, spatial_dims);
  Tensor indices = new_result(mask, shape, ScalarType::Long);
  const TensorView nearest = view(indices);
  fastcnn::distance_transform_edt(context(), view(mask), static_cast<int>(spatial_dims),
                                  checked(sampling, spatial_dims), view(result), &nearest);
  return {result, indices};
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("distance_transform_edt(Tensor mask, float[]? sampling, bool squared, int spatial_dims) -> Tensor");
  m.def(
      "distance_transform_edt_indices(Tensor mask, float[]? sampling, bool squared, int spatial_dims) -> (Tensor, "
      "Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("distance_transform_edt", FASTCNN_BOX(distance_transform_edt));
  m.impl("distance_transform_edt_indices", FASTCNN_BOX(distance_transform_edt_indices));
}

}  // namespace fastcnn::torch_bridge
