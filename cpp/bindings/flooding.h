#include "bindings/front.h"
#include "fastcnn/ops/flooding.h"

namespace fastcnn::bindings {

template <class Front, class Array = typename Front::Array>
Array watershed(const Array& image, const Array& markers, const std::optional<Array>& mask, int64_t connectivity,
                double compactness, bool watershed_line, int64_t spatial_dims) {
  Front front("watershed");
  const auto src = front.view(image, "image"), seeds = front.view(markers, "markers");
  const auto inside = front.view(mask, "mask");
  const auto labels = front.result(shape_of(src), dtype_of(seeds));
  front.run([&](const Context& context) {
    fastcnn::watershed(context, src, seeds, pointer(inside), connectivity, compactness, watershed_line,
                       static_cast<int>(spatial_dims), labels.view());
  });
  return labels.array();
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                   \
  OP(watershed,                                                                                \
     "(Tensor image, Tensor markers, Tensor? mask, int connectivity, float compactness, bool " \
     "watershed_line, int spatial_dims) -> Tensor")
