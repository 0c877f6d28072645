// Compares every border, footprint and dtype with the reference, bit for bit; opening, closing and the gradient with
// their composition; and the index of an extremum with its definition.
#include <algorithm>
#include <cmath>

#include "fastcnn/ops/morphology.h"
#include "fuzz.h"
#include "ops/morphology/morphology_ref.h"

namespace fuzz {
namespace {

/// a - b, saturated; bool: a and not b.
void subtract(Tensor& a, const Tensor& b) {
  const int64_t n = a.numel();
  for (int64_t i = 0; i < n; ++i) {
    if (a.dtype() == DType::boolean) {
      a.set(i, a[i] > b[i]);
    } else if (a.dtype() == DType::int64) {
      int64_t difference;
      if (__builtin_sub_overflow(a.at<int64_t>(i), b.at<int64_t>(i), &difference))
        difference = a.at<int64_t>(i) < 0 ? INT64_MIN : INT64_MAX;
      a.at<int64_t>(i) = difference;
    } else {
      a.set(i, a[i] - b[i]);  // exact, or rounded once
    }
  }
}

/// The first pixel of the window, in raster order, with the value of the extremum; -1 if it is the border value.
void check_index(bool maximum, int dims, const Tensor& src, const Footprint& footprint, Border border, double value,
                 const Tensor& extremum, const Tensor& index) {
  Extent e;
  const Sizes& shape = src.shape();
  const size_t n = shape.size();
  e.depth = dims == 3 ? shape[n - 3] : 1, e.height = shape[n - 2], e.width = shape[n - 1];
  Tensor outside(src.dtype(), {1});
  outside.set(0, value);
  const auto alike = [](double a, double b) {
    return (a != a && b != b) || (a == b && std::signbit(a) == std::signbit(b));
  };
  for (int64_t i = 0; i < src.numel(); ++i) {
    const int64_t image = i / e.size() * e.size(), p = i % e.size();
    int64_t first = -1;
    bool border_has_it = false;
    each_member(maximum, e, footprint, border, p / e.width / e.height, p / e.width % e.height, p % e.width,
                [&](int64_t q) {
                  if (!alike(q < 0 ? outside[0] : src[image + q], extremum[i])) return;
                  if (q < 0)
                    border_has_it = true;
                  else if (first < 0 || q < first)
                    first = q;
                });
    const int64_t got = index.at<int64_t>(i);
    if (got != first && !(got < 0 && border_has_it))
      fail("erosion_index or dilation_index: " + std::to_string(got) + " at " + std::to_string(i) + ", expected " +
           std::to_string(first) + ", " + src.text());
  }
}

}  // namespace

void run(Input& in) {
  const int64_t op = in.below(7);
  const bool maximum = op % 2 == 1, indices = op >= 5;
  const int dims = in.one_in(3) ? 3 : 2;
  const int64_t upper = in.one_in(8) ? 1 << 13 : 1 << 10;
  Tensor src(indices ? in.dtype(kFloats) : in.dtype(kAll), image_shape(in, dims, upper), in);
  in.wild = in.one_in(8);
  Footprint footprint;
  const int64_t largest = in.one_in(4) ? 40 : 7;
  if (dims == 3 || in.wild) footprint.depth = in.number(1, 5);
  footprint.height = in.number(1, largest), footprint.width = in.number(1, largest);
  const auto sane = [](int64_t side) { return side >= 1 && side <= 64; };
  const bool small = sane(footprint.depth) && sane(footprint.height) && sane(footprint.width);
  std::vector<uint8_t> mask;
  if (small && in.below(3) > 0) {
    mask.resize(static_cast<size_t>(footprint.depth * footprint.height * footprint.width));
    const int64_t share = in.below(9);
    Random random = in.random();
    for (uint8_t& member : mask) member = static_cast<uint8_t>(random.below(8) < share ? 1 + random.below(255) : 0);
    if (!in.wild) mask[static_cast<size_t>(random.below(static_cast<int64_t>(mask.size())))] = 1;
    footprint.mask = mask.data();
  }
  const auto border = static_cast<Border>(in.below(5));
  const double value = in.wild ? in.real(-9, 300) : static_cast<double>(in.below(2));
  src.fill(in);
  const Pieces context(in);
  const Context& serial = serial_context();

  Tensor got(indices ? DType::int64 : src.dtype(), src.shape()), expected(src.dtype(), src.shape());
  using Op = decltype(&erosion);
  constexpr Op kOps[] = {erosion, dilation, opening, closing, morphological_gradient, erosion_index, dilation_index};
  constexpr const char* kNames[] = {"erosion",  "dilation",      "opening",       "closing",
                                    "gradient", "erosion_index", "dilation_index"};
  const char* name = kNames[op];
  const auto fast = [&] { kOps[op](context, src.view(), dims, footprint, border, value, got.view()); };
  if (!small) {
    runs(fast);
    return;
  }
  const auto reference = [&](bool max, const Tensor& from, Tensor& to) {
    (max ? dilation_ref : erosion_ref)(serial, from.view(), dims, footprint, border, value, to.view());
  };
  if (in.wild) {
    if (!runs(fast) || !runs([&] { reference(maximum, src, expected); })) return;
  } else {
    must_run(name, fast);
  }
  if (indices) {
    reference(op == 6, src, expected);
    return check_index(op == 6, dims, src, footprint, border, value, expected, got);
  }
  if (op < 2) {
    reference(maximum, src, expected);
  } else {
    Tensor between(src.dtype(), src.shape());
    reference(op != 2, src, between);
    if (op == 4) {
      reference(false, src, expected);
      subtract(between, expected);
      return expect_same(name, got, between);
    }
    reference(op == 2, between, expected);
  }
  expect_same(name, got, expected);
}

}  // namespace fuzz
