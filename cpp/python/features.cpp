#include "fastcnn/ops/features.h"

#include <algorithm>

#include "bridge.h"

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("hog", [](const py::object& image, int64_t orientations, const std::vector<int64_t>& sizes, int norm,
                  bool square_root, bool interpolated, bool with_cells) {
    const Input src(image, "hog", "image");
    std::vector<int64_t> cells = src.shape();
    FASTCNN_CHECK(cells.size() >= 3 && sizes.size() == 4, "hog: expected image of shape (..., channels, H, W), got ",
                  shape_text(src.view()));
    cells.erase(cells.end() - 3);
    std::vector<int64_t> blocks(cells);
    Hog o;
    o.orientations = orientations, o.norm = static_cast<BlockNorm>(norm);
    o.square_root = square_root, o.interpolated = interpolated;
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
    const DType dtype = dtype_of(src.view()) == DType::float64 ? DType::float64 : DType::float32;
    const Output features(blocks, dtype), histogram(cells, dtype);
    release_gil([&] { hog(default_context(), src.view(), o, features.view(), histogram.view()); });
    return py::make_tuple(features.array(), histogram.array());
  });
}
