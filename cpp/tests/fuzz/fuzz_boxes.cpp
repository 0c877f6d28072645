// Compares suppression with its reference, index for index, and its padded variant image by image; overlaps and the
// boxes of masks with their definitions. Soft, matrix and rotated suppression have no reference: dense boxes and one
// thread are compared with strided boxes and several threads.
#include <algorithm>
#include <cmath>
#include <limits>

#include "fastcnn/ops/boxes.h"
#include "fuzz.h"

namespace fuzz {
namespace {

Tensor random_boxes(Input& in, DType dtype, const Sizes& shape) {
  Tensor boxes(dtype, shape, in);
  Random random = in.random();
  const double extent = in.any_of<double>({4, 50, 1000, 1e6}), side = in.any_of<double>({2, 3, 40, 400});
  const bool whole = in.one_in(2), odd = in.one_in(4);
  const double infinity = std::numeric_limits<double>::infinity();
  const double strange[] = {std::nan(""), infinity, -infinity, 1e30, -1e30, 1e-40, 0, 65504};
  const auto number = [&](double maximum) {
    return whole ? static_cast<double>(random.below(int64_t(maximum) + 1)) : random.unit() * maximum;
  };
  const int64_t columns = shape.back();
  for (int64_t i = 0; i < boxes.numel(); i += columns) {
    const double x = number(extent), y = number(extent), w = number(side) - 0.02 * side * odd, h = number(side);
    const double values[] = {x, y, columns == 4 ? x + w : w, columns == 4 ? y + h : h, number(360)};
    for (int64_t k = 0; k < columns; ++k)
      boxes.set(i + k, odd && random.below(20) == 0 ? strange[random.below(8)] : values[k]);
  }
  return boxes;
}

Tensor random_scores(Input& in, const Sizes& shape) {
  Tensor scores(in.dtype(kFloats), shape, in);
  if (in.one_in(3)) {
    scores.fill(in);
  } else {
    scores.fill_finite(in);
  }
  return scores;
}

void check_nms(Input& in, const Context& context, int64_t n) {
  const Tensor boxes = random_boxes(in, in.dtype(kFloats), {n, 4}), scores = random_scores(in, {n});
  Tensor classes(in.dtype(kIntegers), {n}, in);
  classes.fill_labels(in, 3);
  const TensorView keys = classes.view();
  const TensorView* by_class = in.one_in(2) ? &keys : nullptr;
  const double threshold = in.real(0, 1);
  std::vector<int64_t> got, expected;
  const bool fine = threshold >= 0 && threshold <= 1;
  if (runs([&] { got = nms(context, boxes.view(), scores.view(), by_class, threshold); }) != fine)
    fail("nms: threshold " + std::to_string(threshold));
  if (!fine) return;
  expected = nms_ref(context, boxes.view(), scores.view(), by_class, threshold);
  expect_equal("nms", got, expected);
}

void check_padded(Input& in, const Context& context, int64_t n) {
  const int64_t images = in.below(4), maximum = in.below(20);
  const DType dtype = in.dtype(kFloats);
  const Tensor boxes = random_boxes(in, dtype, {images, n, 4}), scores = random_scores(in, {images, n});
  Tensor classes(in.dtype(kIntegers), {images, n}, in);
  classes.fill_labels(in, 3);
  const TensorView keys = classes.view();
  const bool by_class = in.one_in(2), limited = in.one_in(2);
  const double threshold = static_cast<double>(in.below(9)) / 8, minimum = static_cast<double>(in.below(5)) / 4 - 0.5;
  Tensor indices(DType::int64, {images, maximum}), counts(DType::int64, {images});
  must_run("nms_padded", [&] {
    nms_padded(context, boxes.view(), scores.view(), by_class ? &keys : nullptr, threshold,
               limited ? std::optional<double>(minimum) : std::nullopt, indices.view(), counts.view());
  });
  for (int64_t b = 0; b < images; ++b) {
    std::vector<int64_t> taken;
    for (int64_t i = 0; i < n; ++i)
      if (!limited || scores[b * n + i] > minimum) taken.push_back(i);
    const auto m = static_cast<int64_t>(taken.size());
    Tensor own(dtype, {m, 4}), own_scores(scores.dtype(), {m}), own_classes(DType::int64, {m});
    for (int64_t i = 0; i < m; ++i) {
      const int64_t from = b * n + taken[static_cast<size_t>(i)];
      for (int64_t k = 0; k < 4; ++k) own.set(4 * i + k, boxes[4 * from + k]);
      own_scores.set(i, scores[from]);
      own_classes.set(i, classes[from]);
    }
    const TensorView own_keys = own_classes.view();
    const auto expected = nms_ref(context, own.view(), own_scores.view(), by_class ? &own_keys : nullptr, threshold);
    const int64_t kept = std::min<int64_t>(maximum, static_cast<int64_t>(expected.size()));
    expect_equal("nms_padded's count", counts.at<int64_t>(b), kept);
    for (int64_t k = 0; k < maximum; ++k)
      expect_equal("nms_padded", indices.at<int64_t>(b * maximum + k),
                   k < kept ? taken[static_cast<size_t>(expected[static_cast<size_t>(k)])] : int64_t{-1});
  }
}

void check_decaying(Input& in, const Context& context, int64_t n) {
  const Tensor boxes = random_boxes(in, in.dtype(kFloats), {n, 4}), scores = random_scores(in, {n});
  const Tensor dense = boxes.dense(), dense_scores = scores.dense();
  const auto decay = static_cast<Decay>(in.below(2));
  const bool soft = in.one_in(2);
  const double threshold = in.real(0, 1), sigma = in.real(0.1, 2), minimum = in.real(0, 0.5);
  ScoredBoxes got, expected;
  const auto compute = [&](const Context& host, const Tensor& b, const Tensor& s) {
    return soft ? soft_nms(host, b.view(), s.view(), threshold, sigma, decay, minimum)
                : matrix_nms(host, b.view(), s.view(), sigma, decay, minimum);
  };
  if (!both_run(
          "soft_nms or matrix_nms", [&] { got = compute(context, boxes, scores); },
          [&] { expected = compute(serial_context(), dense, dense_scores); }))
    return;
  expect_equal("soft_nms or matrix_nms", got.indices, expected.indices);
  expect_equal("their scores", got.scores, expected.scores);
  for (const double score : got.scores)
    if (!(score >= 0)) fail("soft_nms or matrix_nms: a score of " + std::to_string(score));
}

void check_rotated(Input& in, const Context& context, int64_t n) {
  const DType dtype = in.dtype(kFloats);
  const Tensor boxes = random_boxes(in, dtype, {n, 5}), scores = random_scores(in, {n});
  const Tensor dense = boxes.dense(), dense_scores = scores.dense();
  const double threshold = static_cast<double>(in.below(9)) / 8;
  expect_equal("nms_rotated", nms_rotated(context, boxes.view(), scores.view(), threshold),
               nms_rotated(serial_context(), dense.view(), dense_scores.view(), threshold));
  const int64_t m = std::min<int64_t>(n, 12);
  const Tensor others = random_boxes(in, dtype, {m, 5}), dense_others = others.dense();
  Tensor got(dtype, {n, m}), expected(dtype, {n, m});
  must_run("box_iou_rotated", [&] { box_iou_rotated(context, boxes.view(), others.view(), got.view()); });
  box_iou_rotated(serial_context(), dense.view(), dense_others.view(), expected.view());
  expect_same("box_iou_rotated", got, expected);
  for (int64_t i = 0; i < got.numel(); ++i)
    if (!(got[i] >= 0 && got[i] <= 1 + epsilon(dtype))) fail("box_iou_rotated: " + std::to_string(got[i]));
}

void check_overlaps(Input& in, const Context& context, int64_t n) {
  const DType dtype = in.dtype(kFloats);
  const int64_t m = in.below(12);
  const Tensor a = random_boxes(in, dtype, {n, 4}), b = random_boxes(in, dtype, {m, 4});
  const auto kind = static_cast<Overlap>(in.below(4));
  Tensor got(dtype, {n, m}), expected(dtype, {n, m});
  must_run("box_overlaps", [&] { box_overlaps(context, a.view(), b.view(), kind, 1e-7, got.view()); });
  if (kind != Overlap::iou) {
    const Tensor dense_a = a.dense(), dense_b = b.dense();
    box_overlaps(serial_context(), dense_a.view(), dense_b.view(), kind, 1e-7, expected.view());
    return expect_same("box_overlaps", got, expected);
  }
  const auto by_definition = [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < m; ++j) {
        const auto at = [](const Tensor& boxes, int64_t box, int64_t k) { return static_cast<T>(boxes[4 * box + k]); };
        const T w = std::max(zero, std::min(at(a, i, 2), at(b, j, 2)) - std::max(at(a, i, 0), at(b, j, 0)));
        const T h = std::max(zero, std::min(at(a, i, 3), at(b, j, 3)) - std::max(at(a, i, 1), at(b, j, 1)));
        const T area_a = (at(a, i, 2) - at(a, i, 0)) * (at(a, i, 3) - at(a, i, 1));
        const T area_b = (at(b, j, 2) - at(b, j, 0)) * (at(b, j, 3) - at(b, j, 1)), shared = w * h;
        expected.set(i * m + j, static_cast<double>(shared / (area_a + area_b - shared)));
      }
  };
  if (dtype == DType::float64)
    by_definition(0.0);
  else
    by_definition(0.0f);
  expect_close("box_iou", got, expected, 0, 2 * epsilon(dtype));
}

void check_masks(Input& in, const Context& context) {
  Tensor masks(in.dtype(kAll), image_shape(in, 2, 2000), in);
  if (in.one_in(2)) {
    masks.fill_labels(in, 1);
  } else {
    masks.fill(in);
  }
  Sizes shape(masks.shape().begin(), masks.shape().end() - 2);
  const int64_t height = masks.shape()[shape.size()], width = masks.shape().back(), images = product(shape);
  shape.push_back(4);
  Tensor got(DType::float32, shape), expected(DType::float32, shape);
  must_run("masks_to_boxes", [&] { masks_to_boxes(context, masks.view(), got.view()); });
  for (int64_t b = 0; b < images; ++b) {
    int64_t x1 = width, y1 = height, x2 = -1, y2 = -1;
    for (int64_t p = 0; p < height * width; ++p) {
      if (masks[b * height * width + p] == 0) continue;
      x1 = std::min(x1, p % width), x2 = std::max(x2, p % width);
      y1 = std::min(y1, p / width), y2 = std::max(y2, p / width);
    }
    const int64_t box[] = {x1, y1, x2, y2};
    for (int k = 0; k < 4; ++k) expected.set(4 * b + k, x2 < 0 ? 0 : static_cast<double>(box[k]));
  }
  expect_same("masks_to_boxes", got, expected);
}

}  // namespace

void run(Input& in) {
  const int64_t op = in.below(6);
  const int64_t n = in.one_in(16) ? in.below(1000) : in.below(40);
  const Pieces context(in);
  in.wild = in.one_in(8);
  switch (op) {
    case 0: return check_nms(in, context, n);
    case 1: return check_padded(in, context, n);
    case 2: return check_decaying(in, context, n);
    case 3: return check_rotated(in, context, std::min<int64_t>(n, 100));
    case 4: return check_overlaps(in, context, n);
    default: return check_masks(in, context);
  }
}

}  // namespace fuzz
