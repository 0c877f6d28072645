#include "fastcnn/ops/features.h"

#include <algorithm>

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

std::tuple<Tensor, Tensor> hog(const Tensor& image, int64_t orientations, const std::vector<int64_t>& sizes,
                               int64_t norm, bool square_root, bool interpolated, bool with_cells) {
  FASTCNN_CHECK(image.dim() >= 3, "hog: expected image of shape (..., channels, H, W), got ", shape_text(view(image)));
  FASTCNN_CHECK(sizes.size() == 4, "hog: expected pixels_per_cell and cells_per_block of 2 values each");
  Hog o;
  o.orientations = orientations, o.norm = static_cast<BlockNorm>(norm);
  o.square_root = square_root, o.interpolated = interpolated;
  std::vector<int64_t> cells = shape_of(image);
  cells.erase(cells.end() - 3);
  std::vector<int64_t> blocks(cells);
  for (size_t d = 0; d < 2; ++d) {
    o.cell[d] = sizes[d], o.block[d] = sizes[2 + d];
    FASTCNN_CHECK(o.cell[d] >= 1 && o.block[d] >= 1,
                  "hog: expected pixels_per_cell and cells_per_block of at least 1, got ", o.cell[d], " and ",
                  o.block[d]);
    int64_t& n = cells[cells.size() - 2 + d];
    n /= o.cell[d];
    blocks[blocks.size() - 2 + d] = std::max<int64_t>(0, n - o.block[d] + 1);
  }
  if (!with_cells) cells[cells.size() - 1] = cells[cells.size() - 2] = 0;
  cells.push_back(orientations);
  blocks.insert(blocks.end(), {o.block[0], o.block[1], orientations});
  const ScalarType dtype = image.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
  Tensor features = new_result(image, blocks, dtype), histogram = new_result(image, cells, dtype);
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
