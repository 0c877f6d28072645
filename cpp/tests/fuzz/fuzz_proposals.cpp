// Segments and proposals have no reference: results of strided images with several threads are compared with those of
// dense images with one thread, bit for bit. Labels are integers without gaps, and boxes lie inside.
#include "fastcnn/ops/proposals.h"
#include "fuzz.h"

namespace fuzz {
namespace {

void check_segments(Input& in, const Context& context, const Tensor& image) {
  const Felzenszwalb o{in.real(0, 200), in.real(0, 2), in.number(0, 30)};
  Sizes shape = image.shape();
  const int64_t pixels = shape[shape.size() - 1] * shape[shape.size() - 2];
  shape.erase(shape.end() - 3);
  Tensor got(DType::int32, shape), expected(DType::int32, shape);
  const Tensor dense = image.dense();
  if (!both_run(
          "felzenszwalb", [&] { felzenszwalb(context, image.view(), o, got.view()); },
          [&] { felzenszwalb(serial_context(), dense.view(), o, expected.view()); }))
    return;
  expect_same("felzenszwalb", got, expected);
  for (int64_t i = 0, next = 0; i < got.numel(); ++i) {
    if (i % pixels == 0) next = 0;
    const int32_t label = got.at<int32_t>(i);
    if (label < 0 || label > next) fail("felzenszwalb: a gap before " + std::to_string(label));
    next += label == next;
  }
}

}  // namespace

void run(Input& in) {
  const bool segments = in.one_in(2);
  Sizes shape;
  if (in.one_in(3)) shape.push_back(in.below(3));
  shape.push_back(in.any_of<int64_t>({1, 3, 3, segments ? 4 : 1}));
  shape.push_back(in.size(30)), shape.push_back(in.size(30));
  Tensor image(in.dtype(kAll), shape, in);
  if (in.one_in(3)) {
    image.fill(in);
  } else {
    image.fill_finite(in, is_float(image.dtype()) ? 1 : 200);
  }
  const Pieces context(in);
  in.wild = in.one_in(8);
  if (segments) return check_segments(in, context, image);
  SelectiveSearch o;
  o.quality = in.one_in(4);
  for (int64_t k = in.wild ? in.below(4) : 1 + in.below(2); k > 0; --k) o.scales.push_back(in.real(0, 100));
  o.sigma = in.real(0, 2), o.min_size = in.number(0, 20), o.seed = in.below(9);
  o.max_boxes = in.below(100);
  Sizes batch(shape.begin(), shape.end() - 3), box_shape = batch, score_shape = batch;
  box_shape.insert(box_shape.end(), {o.max_boxes, 4}), score_shape.push_back(o.max_boxes);
  Tensor boxes(DType::float32, box_shape), scores(DType::float32, score_shape), counts(DType::int64, batch);
  Tensor boxes_ref(DType::float32, box_shape), scores_ref(DType::float32, score_shape), counts_ref(DType::int64, batch);
  const Tensor dense = image.dense();
  if (!both_run(
          "selective_search",
          [&] { selective_search_padded(context, image.view(), o, boxes.view(), scores.view(), counts.view()); },
          [&] {
            selective_search_padded(serial_context(), dense.view(), o, boxes_ref.view(), scores_ref.view(),
                                    counts_ref.view());
          }))
    return;
  expect_same("selective_search", boxes, boxes_ref);
  expect_same("selective_search's scores", scores, scores_ref);
  expect_same("selective_search's counts", counts, counts_ref);
  const double height = static_cast<double>(shape[shape.size() - 2]), width = static_cast<double>(shape.back());
  for (int64_t i = 0; i < boxes.numel(); i += 4) {
    const bool any = i / 4 % o.max_boxes < counts.at<int64_t>(i / 4 / o.max_boxes);
    const bool inside = boxes[i] >= 0 && boxes[i + 1] >= 0 && boxes[i + 2] <= width && boxes[i + 3] <= height;
    if (!inside || (any && !(boxes[i] < boxes[i + 2] && boxes[i + 1] < boxes[i + 3])))
      fail("selective_search: a box that is none");
  }
}

}  // namespace fuzz
