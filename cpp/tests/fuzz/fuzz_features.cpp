// Histograms of gradients have no reference: results of strided images with several threads are compared with those of
// dense images with one thread, bit for bit. Normalised values lie in [0, 1].
#include "fastcnn/ops/features.h"
#include "fuzz.h"

namespace fuzz {

void run(Input& in) {
  Hog o;
  in.wild = in.one_in(8);
  o.orientations = in.number(1, 20);
  for (int d = 0; d < 2; ++d) o.cell[d] = in.number(1, 9), o.block[d] = in.number(1, 3);
  o.norm = static_cast<BlockNorm>(in.below(4));
  o.square_root = in.one_in(2), o.interpolated = in.one_in(2);
  Sizes shape;
  if (in.one_in(3)) shape.push_back(in.below(3));
  shape.push_back(in.one_in(16) ? 0 : 1 + in.below(3));
  for (int d = 0; d < 2; ++d) shape.push_back(in.size(40) + (in.below(4) ? 18 : 0));
  Tensor image(in.dtype(kAll), shape, in);
  const bool strange = in.one_in(6);
  if (strange || !is_float(image.dtype())) {
    image.fill(in);
  } else {
    image.fill_finite(in, in.any_of<double>({1, 255, 1e-3}));
  }
  HogShapes shapes;
  const bool with_cells = in.one_in(2);
  if (!runs([&] { shapes = hog_shapes(image.view(), o, with_cells); })) return;
  double size = 1;
  for (const int64_t side : shapes.blocks) size *= static_cast<double>(side);
  if (size > 1 << 20) return;
  const DType dtype = image.dtype() == DType::float64 ? DType::float64 : DType::float32;
  Tensor got(dtype, shapes.blocks), expected(dtype, shapes.blocks), cells(dtype, shapes.cells),
      cells_ref(dtype, shapes.cells);
  const Pieces context(in);
  const Tensor dense = image.dense();
  if (!both_run(
          "hog", [&] { hog(context, image.view(), o, got.view(), cells.view()); },
          [&] { hog(serial_context(), dense.view(), o, expected.view(), cells_ref.view()); }))
    return;
  expect_same("hog", got, expected);
  expect_same("hog's cells", cells, cells_ref);
  // Roots of negative values are NaN, and float32 squares of values above 1e19 are infinite.
  if (strange || o.square_root || image.largest() > 1e15) return;
  for (int64_t i = 0; i < got.numel(); ++i)
    if (!(got[i] >= 0 && got[i] <= 1.0001)) fail("hog: " + std::to_string(got[i]) + ", " + image.text());
}

}  // namespace fuzz
