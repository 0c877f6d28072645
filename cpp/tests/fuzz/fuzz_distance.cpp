// Against the reference: distances, squares and indices, bit for bit.
#include "fastcnn/ops/distance.h"
#include "fuzz.h"

namespace fuzz {

void run(Input& in) {
  const int dims = in.one_in(3) ? 3 : 2;
  Tensor mask(in.dtype(kAll), image_shape(in, dims, in.one_in(16) ? 3000 : 500), in);
  if (in.below(4)) {
    Random random = in.random();
    const int64_t one_in = in.any_of<int64_t>({1, 2, 3, 10, 60, 1000});
    for (int64_t i = 0; i < mask.numel(); ++i) mask.set(i, random.below(one_in) != 0);
  } else {
    mask.fill(in);
  }
  in.wild = in.one_in(8);
  double sampling[3];
  for (double& s : sampling) s = in.one_in(2) ? in.real(0.25, 4) : in.any_of<double>({1, 0.5, 3, 1e-3, 1e4});
  const double* spacing = in.one_in(3) ? sampling : nullptr;
  const bool squared = in.one_in(3) && (!spacing || in.wild);
  const DType dtype = squared ? DType::int32 : DType::float32;
  Sizes places = mask.shape();
  places.insert(places.end() - dims, dims);
  Tensor got(dtype, mask.shape()), expected(dtype, mask.shape()), index(DType::int64, places),
      index_ref(DType::int64, places);
  const bool indices = in.one_in(2);
  const TensorView got_index = index.view(), expected_index = index_ref.view();
  const Pieces context(in);
  const auto fast = [&] {
    distance_transform_edt(context, mask.view(), dims, spacing, got.view(), indices ? &got_index : nullptr);
  };
  const auto reference = [&] {
    distance_transform_edt_ref(serial_context(), mask.view(), dims, spacing, expected.view(),
                               indices ? &expected_index : nullptr);
  };
  if (!both_run("distance_transform_edt", fast, reference)) return;
  expect_same("distance_transform_edt", got, expected);
  if (indices) expect_same("distance_transform_edt's indices", index, index_ref);
}

}  // namespace fuzz
