#include "bindings/front.h"
#include "fastcnn/ops/cleaning.h"

namespace fastcnn::bindings {

template <class Front, class Array = typename Front::Array>
Array fill_holes(const Array& mask, int64_t spatial_dims) {
  Front front("fill_holes");
  const auto src = front.view(mask, "mask");
  const auto result = front.result(shape_of(src), DType::boolean);
  front.run([&](const Context& context) {
    fastcnn::fill_holes(context, src, static_cast<int>(spatial_dims), result.view());
  });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array remove_small_objects(const Array& mask, int64_t min_size, int64_t connectivity, int64_t spatial_dims) {
  Front front("remove_small_objects");
  const auto src = front.view(mask, "mask");
  const auto result = front.result(shape_of(src), dtype_of(src));
  front.run([&](const Context& context) {
    fastcnn::remove_small_objects(context, src, min_size, connectivity, static_cast<int>(spatial_dims), result.view());
  });
  return result.array();
}

template <class Front, class Array = typename Front::Array>
Array remove_small_holes(const Array& mask, int64_t max_size, int64_t connectivity, int64_t spatial_dims) {
  Front front("remove_small_holes");
  const auto src = front.view(mask, "mask");
  const auto result = front.result(shape_of(src), DType::boolean);
  front.run([&](const Context& context) {
    fastcnn::remove_small_holes(context, src, max_size, connectivity, static_cast<int>(spatial_dims), result.view());
  });
  return result.array();
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                               \
  OP(fill_holes, "(Tensor mask, int spatial_dims) -> Tensor")                                              \
  OP(remove_small_objects, "(Tensor mask, SymInt min_size, int connectivity, int spatial_dims) -> Tensor") \
  OP(remove_small_holes, "(Tensor mask, SymInt max_size, int connectivity, int spatial_dims) -> Tensor")
