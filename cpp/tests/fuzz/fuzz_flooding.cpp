// Compares the watershed with the reference, label for label. The compact watershed is sequential and has no reference:
// dense images with one thread are compared with strided images with several.
#include "fastcnn/ops/flooding.h"
#include "fuzz.h"

namespace fuzz {

void run(Input& in) {
  const int dims = in.one_in(3) ? 3 : 2;
  Tensor image(in.dtype(kAll), image_shape(in, dims, in.one_in(16) ? 4096 : 400), in);
  image.fill(in);
  Tensor markers(in.any_of({DType::int32, DType::int64}), image.shape(), in), mask(in.dtype(kAll), image.shape(), in);
  Random random = in.random();
  const int64_t one_in = in.any_of<int64_t>({1, 2, 6, 20, 100});
  for (int64_t i = 0; i < markers.numel(); ++i)
    markers.set(i, random.below(one_in) ? 0 : static_cast<double>(random.below(9) - 3));
  const bool masked = in.one_in(3);
  if (masked) {
    const int64_t holes = in.any_of<int64_t>({2, 8, 100});
    for (int64_t i = 0; i < mask.numel(); ++i) mask.set(i, random.below(holes) != 0);
  }
  in.wild = in.one_in(8);
  const int connectivity = static_cast<int>(in.wild ? in.below(28) : 1 + in.below(dims));
  const bool line = in.one_in(3), compact = in.one_in(5);
  const double compactness = compact ? in.real(0, 2) : 0;
  const Pieces context(in);
  Tensor got(markers.dtype(), image.shape()), expected(markers.dtype(), image.shape());
  const TensorView region = mask.view();
  const TensorView* inside = masked ? &region : nullptr;
  const auto fast = [&] {
    watershed(context, image.view(), markers.view(), inside, connectivity, compactness, line, dims, got.view());
  };
  if (compact) {
    const Tensor plain = image.dense(), seeds = markers.dense(), where = mask.dense();
    const TensorView plain_region = where.view();
    if (both_run("watershed", fast, [&] {
          watershed(serial_context(), plain.view(), seeds.view(), masked ? &plain_region : nullptr, connectivity,
                    compactness, line, dims, expected.view());
        }))
      expect_same("compact watershed", got, expected);
    return;
  }
  if (both_run("watershed", fast, [&] {
        watershed_ref(serial_context(), image.view(), markers.view(), inside, connectivity, line, dims,
                      expected.view());
      }))
    expect_same(line ? "watershed with lines" : "watershed", got, expected);
}

}  // namespace fuzz
