#include "fastcnn/ops/flooding.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

Tensor watershed(const Tensor& image, const Tensor& markers, const std::optional<Tensor>& mask, int64_t connectivity,
                 double compactness, bool watershed_line, int64_t spatial_dims) {
  Tensor labels = new_result(image, shape_of(image), markers.scalar_type());
  const TensorView inside = mask ? view(*mask) : TensorView{};
  fastcnn::watershed(context(), view(image), view(markers), mask ? &inside : nullptr, connectivity, compactness,
                     watershed_line, static_cast<int>(spatial_dims), view(labels));
  return labels;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def(
      "watershed(Tensor image, Tensor markers, Tensor? mask, int connectivity, float compactness, bool "
      "watershed_line, int spatial_dims) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) { m.impl("watershed", FASTCNN_BOX(watershed)); }

}  // namespace fastcnn::torch_bridge
