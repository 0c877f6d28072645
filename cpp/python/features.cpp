#include "fastcnn/ops/features.h"

#include "bridge.h"

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("hog", [](const py::object& image, int64_t orientations, const std::vector<int64_t>& sizes, int norm,
                  bool square_root, bool interpolated, bool with_cells) {
    const Input src(image, "hog", "image");
    FASTCNN_CHECK(sizes.size() == 4, "hog: expected pixels_per_cell and cells_per_block of 2 values each");
    const Hog o{orientations, {sizes[0], sizes[1]}, {sizes[2], sizes[3]}, static_cast<BlockNorm>(norm),
                square_root,  interpolated};
    const HogShapes shapes = hog_shapes(src.view(), o, with_cells);
    const DType dtype = dtype_of(src.view()) == DType::float64 ? DType::float64 : DType::float32;
    const Output features(shapes.blocks, dtype), histogram(shapes.cells, dtype);
    release_gil([&] { hog(default_context(), src.view(), o, features.view(), histogram.view()); });
    return py::make_tuple(features.array(), histogram.array());
  });
}
