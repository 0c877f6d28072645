#include "bindings/front.h"
#include "fastcnn/ops/distance.h"

namespace fastcnn::bindings {

using Sampling = std::optional<std::vector<double>>;

inline const double* checked(const Sampling& sampling, int64_t spatial_dims) {
  FASTCNN_CHECK(!sampling || static_cast<int64_t>(sampling->size()) == spatial_dims,
                "distance_transform_edt: expected sampling of ", spatial_dims, " values, got ",
                sampling ? sampling->size() : 0);
  return sampling ? sampling->data() : nullptr;
}

template <class Front, class Array = typename Front::Array>
Array distance_transform_edt(const Array& mask, const Sampling& sampling, bool squared, int64_t spatial_dims) {
  Front front("distance_transform_edt");
  const auto src = front.view(mask, "mask");
  const double* const steps = checked(sampling, spatial_dims);
  const auto result = front.result(shape_of(src), squared ? DType::int32 : DType::float32);
  front.run([&](const Context& context) {
    fastcnn::distance_transform_edt(context, src, static_cast<int>(spatial_dims), steps, result.view(), nullptr);
  });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> distance_transform_edt_indices(const Array& mask, const Sampling& sampling, bool squared,
                                                        int64_t spatial_dims) {
  Front front("distance_transform_edt");
  const auto src = front.view(mask, "mask");
  const double* const steps = checked(sampling, spatial_dims);
  const auto result = front.result(shape_of(src), squared ? DType::int32 : DType::float32);
  Sizes shape = shape_of(src);
  if (src.ndim >= spatial_dims) shape.insert(shape.end() - spatial_dims, spatial_dims);
  const auto indices = front.result(shape, DType::int64);
  const TensorView nearest = indices.view();
  front.run([&](const Context& context) {
    fastcnn::distance_transform_edt(context, src, static_cast<int>(spatial_dims), steps, result.view(), &nearest);
  });
  return {result.array(), indices.array()};
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                               \
  OP(distance_transform_edt, "(Tensor mask, float[]? sampling, bool squared, int spatial_dims) -> Tensor") \
  OP(distance_transform_edt_indices,                                                                       \
     "(Tensor mask, float[]? sampling, bool squared, int spatial_dims) -> (Tensor, Tensor)")
