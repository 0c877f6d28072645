#include "fastcnn/ops/features.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

std::tuple<Tensor, Tensor> hog(const Tensor& image, int64_t orientations, const std::vector<int64_t>& sizes,
                               int64_t norm, bool square_root, bool interpolated, bool with_cells) {
  FASTCNN_CHECK(sizes.size() == 4, "hog: expected pixels_per_cell and cells_per_block of 2 values each");
  const Hog o{orientations, {sizes[0], sizes[1]}, {sizes[2], sizes[3]}, static_cast<BlockNorm>(norm),
              square_root,  interpolated};
  const HogShapes shapes = hog_shapes(view(image), o, with_cells);
  const ScalarType dtype = image.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
  Tensor features = new_result(image, shapes.blocks, dtype), histogram = new_result(image, shapes.cells, dtype);
  fastcnn::hog(context(), view(image), o, view(features), view(histogram));
  return {features, histogram};
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def(
      "hog(Tensor image, int orientations, SymInt[] sizes, int norm, bool square_root, bool interpolated, bool "
      "with_cells) "
      "-> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) { m.impl("hog", FASTCNN_BOX(hog)); }

}  // namespace fastcnn::torch_bridge
