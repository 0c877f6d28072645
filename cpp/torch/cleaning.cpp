#include "fastcnn/ops/cleaning.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

Tensor fill_holes(const Tensor& mask, int64_t spatial_dims) {
  Tensor result = new_result(mask, ScalarType::Bool);
  fastcnn::fill_holes(context(), view(mask), static_cast<int>(spatial_dims), view(result));
  return result;
}

Tensor remove_small_objects(const Tensor& mask, int64_t min_size, int64_t connectivity, int64_t spatial_dims) {
  Tensor result = new_result(mask);
  fastcnn::remove_small_objects(context(), view(mask), min_size, connectivity, static_cast<int>(spatial_dims),
                                view(result));
  return result;
}

Tensor remove_small_holes(const Tensor& mask, int64_t max_size, int64_t connectivity, int64_t spatial_dims) {
  Tensor result = new_result(mask, ScalarType::Bool);
  fastcnn::remove_small_holes(context(), view(mask), max_size, connectivity, static_cast<int>(spatial_dims),
                              view(result));
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("fill_holes(Tensor mask, int spatial_dims) -> Tensor");
  m.def("remove_small_objects(Tensor mask, SymInt min_size, int connectivity, int spatial_dims) -> Tensor");
  m.def("remove_small_holes(Tensor mask, SymInt max_size, int connectivity, int spatial_dims) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("fill_holes", FASTCNN_BOX(fill_holes));
  m.impl("remove_small_objects", FASTCNN_BOX(remove_small_objects));
  m.impl("remove_small_holes", FASTCNN_BOX(remove_small_holes));
}

}  // namespace fastcnn::torch_bridge
