// Compares with the references: maxima and their positions are equal, sums agree within rounding. Compares unpooling
// with its definition.
#include <cmath>

#include "fastcnn/ops/pooling.h"
#include "fuzz.h"

namespace fuzz {
namespace {

constexpr auto kPooled = kAll;

Tensor result(Input& in, DType dtype, const Sizes& shape, int rank) {
  return static_cast<int>(shape.size()) == rank + 2 && in.one_in(2) ? Tensor::channels_last(dtype, shape)
                                                                    : Tensor(dtype, shape);
}

/// The values at each index of a plane, or the sums of all values with that index.
void check_unpooling(Input& in, const Context& context) {
  const int dims = static_cast<int>(1 + in.below(3));
  Sizes shape{1 + in.below(3), 1 + in.below(in.one_in(3) ? 40 : 4)}, full = shape;
  for (int d = 0; d < dims; ++d) {
    shape.push_back(1 + in.below(dims == 1 ? 60 : 8));
    full.push_back(1 + in.below(dims == 1 ? 120 : 12));
  }
  const bool accumulate = in.one_in(2);
  const DType dtype = accumulate ? in.dtype(kFloats) : in.dtype(kPooled);
  Tensor src(dtype, shape, in), indices(DType::int64, shape, in);
  src.fill_finite(in, is_float(dtype) ? 1 : 100);
  const int64_t planes = shape[0] * shape[1], pixels = product(full) / planes, values = product(shape) / planes;
  Random random = in.random();
  const bool bad = in.one_in(8);
  for (int64_t i = 0; i < indices.numel(); ++i)
    indices.at<int64_t>(i) = bad && random.below(30) == 0 ? static_cast<int64_t>(random.bits()) : random.below(pixels);
  Tensor got = result(in, dtype, full, dims), back = result(in, dtype, shape, dims);
  if (!runs([&] { max_unpool(context, src.view(), indices.view(), dims, accumulate, got.view()); })) {
    if (!bad) fail("max_unpool refuses");
    return;
  }
  Tensor expected(DType::float64, full), wide(DType::float64, full);
  for (int64_t i = 0; i < expected.numel(); ++i) expected.set(i, 0);
  for (int64_t i = 0; i < src.numel(); ++i) {
    const int64_t index = indices.at<int64_t>(i);
    if (index < 0 || index >= pixels) return;  // taken as it stood: others' to say
    double& to = expected.at<double>(i / values * pixels + index);
    to = accumulate ? to + src[i] : src[i];
  }
  for (int64_t i = 0; i < wide.numel(); ++i) wide.set(i, got[i]);
  const double unit = dtype == DType::float64 ? 0x1p-53 : 0x1p-24;
  expect_close("max_unpool", wide, expected, accumulate ? unit * static_cast<double>(values * values) : 0,
               accumulate ? epsilon(dtype) : 0);
  must_run("pool_gather", [&] { pool_gather(context, got.view(), indices.view(), dims, back.view()); });
  for (int64_t i = 0; i < back.numel(); ++i)
    if (back[i] != got[i / values * pixels + indices.at<int64_t>(i)]) fail("pool_gather: differs, " + src.text());
}

}  // namespace

void run(Input& in) {
  const int64_t op = in.below(5);
  const Pieces context(in);
  if (op == 4) return check_unpooling(in, context);
  const int rank = static_cast<int>(1 + in.below(3));
  const bool mean = op >= 2, backward = op % 2 == 1;
  Sizes shape;
  if (in.below(4)) shape.push_back(in.one_in(32) ? 0 : 1 + in.below(3));
  shape.push_back(in.one_in(2) ? 1 + in.below(4) : in.size(70));
  for (int d = 0; d < rank; ++d) shape.push_back(in.size(rank == 1 ? 2000 : rank == 2 ? 60 : 14));
  if (product(shape) > 1 << 14) return;
  in.wild = in.one_in(8);
  Pooling p;
  for (int d = 0; d < rank; ++d)
    if (in.one_in(3) || !p.output_size.empty()) p.output_size.push_back(in.number(1, 9));
  if (static_cast<int>(p.output_size.size()) != rank) {
    p.output_size.clear();
    for (int d = 0; d < rank; ++d) {
      p.kernel.push_back(in.number(1, in.one_in(4) ? 12 : 3));
      p.stride.push_back(in.number(1, 4));
      p.padding.push_back(in.wild ? in.number(0, 3) : in.below(p.kernel.back() / 2 + 1));
      p.dilation.push_back(mean ? 1 : in.number(1, 3));
    }
    p.ceil_mode = in.one_in(2);
  }
  p.count_include_pad = in.one_in(2);
  if (mean && in.one_in(4)) p.divisor_override = in.number(1, 4);
  const DType dtype = mean || backward ? in.dtype(kFloats) : in.dtype(kPooled);
  Tensor src = shape.size() == static_cast<size_t>(rank) + 2 && in.one_in(3) ? Tensor::channels_last(dtype, shape)
                                                                             : Tensor(dtype, shape, in);
  if (mean) {
    src.fill_finite(in);
  } else {
    src.fill(in);
  }
  Sizes out;
  if (!runs([&] { out = pooled_shape(src.view(), p, mean ? "avg_pool" : "max_pool"); })) return;
  // An invalid kernel can have any size, and the reference visits all of it.
  for (const int64_t side : p.kernel)
    if (side > 64) return;
  for (const int64_t side : out)
    if (side > 1 << 12) return;
  if (product(out) > 1 << 14) return;
  const Tensor plain = src.dense();
  const double unit = dtype == DType::float64 ? 0x1p-53 : 0x1p-24;
  const double window = static_cast<double>(p.kernel.empty() ? product(shape) : product(p.kernel));

  if (!backward && mean) {
    Tensor got = result(in, dtype, out, rank), expected(dtype, out);
    must_run("avg_pool", [&] { avg_pool(context, src.view(), p, got.view()); });
    avg_pool_ref(plain.view(), p, expected.view());
    return expect_close("avg_pool", got, expected, unit * window * window + (dtype == DType::float16 ? 1e-7 : 0),
                        epsilon(dtype));
  }
  if (!backward) {
    Tensor alone = result(in, dtype, out, rank);
    const bool last = static_cast<int>(out.size()) == rank + 2 && in.one_in(2);
    Tensor got = last ? Tensor::channels_last(dtype, out) : Tensor(dtype, out);
    Tensor places = last ? Tensor::channels_last(DType::int64, out) : Tensor(DType::int64, out);
    Tensor expected(dtype, out), places_ref(DType::int64, out);
    max_pool_ref(plain.view(), p, expected.view(), places_ref.view());
    must_run("max_pool", [&] { max_pool(context, src.view(), p, alone.view()); });
    must_run("max_pool_with_indices",
             [&] { max_pool_with_indices(context, src.view(), p, got.view(), places.view()); });
    expect_close("max_pool", alone, expected, 0);
    expect_close("max_pool_with_indices", got, expected, 0);
    for (int64_t i = 0; i < places.numel(); ++i)
      if (places.at<int64_t>(i) != places_ref.at<int64_t>(i))
        fail("max_pool's indices: " + std::to_string(places.at<int64_t>(i)) + " at " + std::to_string(i) +
             ", expected " + std::to_string(places_ref.at<int64_t>(i)) + ", " + src.text());
    return;
  }
  Tensor grad(dtype, out, in);
  grad.fill_finite(in);
  const Tensor plain_grad = grad.dense();
  Tensor got = result(in, dtype, shape, rank), expected(dtype, shape);
  // Up to one term per window that contains the pixel.
  const double windows =
      static_cast<double>(product(out)) /
      std::max(1.0, static_cast<double>(product(shape) / product(Sizes(shape.end() - rank, shape.end()))));
  const double bound = unit * windows * windows + (dtype == DType::float16 ? 1e-7 : 0);
  if (mean) {
    must_run("avg_pool_backward", [&] { avg_pool_backward(context, grad.view(), p, got.view()); });
    avg_pool_backward_ref(plain_grad.view(), p, expected.view());
    return expect_close("avg_pool_backward", got, expected, bound, 2 * epsilon(dtype));
  }
  must_run("max_pool_backward", [&] { max_pool_backward(context, grad.view(), src.view(), p, got.view()); });
  max_pool_backward_ref(plain_grad.view(), plain.view(), p, expected.view());
  expect_close("max_pool_backward", got, expected, bound, 2 * epsilon(dtype));
}

}  // namespace fuzz
