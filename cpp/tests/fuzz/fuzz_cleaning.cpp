// Compares with the references, bit for bit.
#include "fastcnn/ops/cleaning.h"
#include "fuzz.h"

namespace fuzz {

void run(Input& in) {
  const int64_t op = in.below(3);
  const int dims = in.one_in(3) ? 3 : 2;
  Tensor src(op == 1 ? in.dtype(kLabels) : in.dtype(kAll), image_shape(in, dims, in.one_in(8) ? 1 << 14 : 1 << 11), in);
  if (in.below(3)) {
    src.fill_labels(in, in.any_of<int64_t>({1, 2, 5, 40, 300}));
  } else {
    src.fill(in);
  }
  in.wild = in.one_in(8);
  const int64_t size = in.number(0, in.one_in(4) ? 2000 : 12);
  const int64_t connectivity = in.wild ? in.number(0, 27) : 1 + in.below(dims);
  const Pieces context(in);
  const Context& serial = serial_context();
  const DType dtype = op == 1 ? src.dtype() : DType::boolean;
  Tensor got(dtype, src.shape()), expected(dtype, src.shape());
  if (op == 0) {
    must_run("fill_holes", [&] { fill_holes(context, src.view(), dims, got.view()); });
    fill_holes_ref(serial, src.view(), dims, expected.view());
    return expect_same("fill_holes", got, expected);
  }
  const auto both = [&](const char* name, auto fast, auto reference) {
    if (both_run(
            name, [&] { fast(context, src.view(), size, connectivity, dims, got.view()); },
            [&] { reference(serial, src.view(), size, connectivity, dims, expected.view()); }))
      expect_same(name, got, expected);
  };
  if (op == 1)
    both("remove_small_objects", remove_small_objects, remove_small_objects_ref);
  else
    both("remove_small_holes", remove_small_holes, remove_small_holes_ref);
}

}  // namespace fuzz
