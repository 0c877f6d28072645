#include "bindings/front.h"
#include "fastcnn/ops/features.h"

namespace fastcnn::bindings {

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> hog(const Array& image, int64_t orientations, const Sizes& sizes, int64_t norm,
                             bool square_root, bool interpolated, bool with_cells) {
  Front front("hog");
  const auto src = front.view(image, "image");
  FASTCNN_CHECK(sizes.size() == 4, "hog: expected pixels_per_cell and cells_per_block of 2 values each");
  const Hog o{orientations, {sizes[0], sizes[1]}, {sizes[2], sizes[3]}, static_cast<BlockNorm>(norm),
              square_root,  interpolated};
  const HogShapes shapes = hog_shapes(src, o, with_cells);
  const DType dtype = dtype_of(src) == DType::float64 ? DType::float64 : DType::float32;
  const auto features = front.result(shapes.blocks, dtype), histogram = front.result(shapes.cells, dtype);
  front.run([&](const Context& context) { fastcnn::hog(context, src, o, features.view(), histogram.view()); });
  return {features.array(), histogram.array()};
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                 \
  OP(hog,                                                                                                    \
     "(Tensor image, int orientations, SymInt[] sizes, int norm, bool square_root, bool interpolated, bool " \
     "with_cells)"                                                                                           \
     " -> (Tensor, Tensor)")
