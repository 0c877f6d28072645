// Compares suppression of random ordinary and degenerate boxes with its definition, and pools random regions: inside
// and outside, thin and infinite. Tensors have their minimum size, so that AddressSanitizer detects out-of-bounds
// accesses.
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

#include "fastcnn/error.h"
#include "fastcnn/ops/boxes.h"
#include "fastcnn/ops/deform.h"
#include "fastcnn/ops/roi.h"

using namespace fastcnn;

namespace {

std::mt19937 bits(1);
int failures = 0;

int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
float unit() { return static_cast<float>(bits()) / 4294967296.0f; }

/// A dense tensor.
template <class T>
struct Dense {
  Dense(std::vector<int64_t> sizes, DType dtype) : shape(std::move(sizes)) {
    view.ndim = static_cast<int32_t>(shape.size());
    view.shape = shape.data();
    view.dtype = data_type(dtype);
    values.resize(static_cast<size_t>(view.numel()));
    view.data = values.data();
  }
  std::vector<int64_t> shape;
  std::vector<T> values;
  TensorView view;
};
using Floats = Dense<float>;

float strange() {
  constexpr float kOdd[] = {std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            1e30f,
                            -1e30f,
                            1e-40f,
                            0.0f};
  return kOdd[below(7)];
}

void check_nms(int round) {
  const int64_t n = below(4) == 0 ? below(5) : below(1500);
  Floats boxes({n, 4}, DType::float32), scores({n}, DType::float32);
  Dense<int64_t> classes({n}, DType::int64);
  const float extent = below(2) ? 50.0f : 1000.0f, side = below(2) ? 40.0f : 3.0f;
  const bool odd = below(3) == 0;
  for (int64_t i = 0; i < n; ++i) {
    float* b = boxes.values.data() + 4 * i;
    b[0] = unit() * extent, b[1] = unit() * extent;
    b[2] = b[0] + (unit() - 0.02f) * side, b[3] = b[1] + (unit() - 0.02f) * side;
    for (int k = 0; k < 4; ++k)
      if (odd && below(20) == 0) b[k] = strange();
    scores.values[static_cast<size_t>(i)] = odd && below(10) == 0 ? strange() : static_cast<float>(below(n)) / 100;
    classes.values[static_cast<size_t>(i)] = below(4) - 1;
  }
  const double threshold = static_cast<double>(below(11)) / 10;
  const TensorView* keys = below(2) ? &classes.view : nullptr;
  set_num_threads(static_cast<int>(1 + below(4)));
  const std::vector<int64_t> expected = nms_ref(serial_context(), boxes.view, scores.view, keys, threshold);
  if (nms(default_context(), boxes.view, scores.view, keys, threshold) != expected) {
    std::printf("nms, round %d: %lld boxes, threshold %g\n", round, static_cast<long long>(n), threshold);
    ++failures;
  }
  soft_nms(default_context(), boxes.view, scores.view, threshold, 0.5, Decay::gaussian, 0.3);
  matrix_nms(default_context(), boxes.view, scores.view, 0.5, Decay::linear, 0.3);
  Floats rotated({n, 5}, DType::float32);
  for (float& v : rotated.values) v = odd && below(15) == 0 ? strange() : unit() * 50;
  nms_rotated(default_context(), rotated.view, scores.view, threshold);
  if (n < 100) {
    Floats pairs({n, n}, DType::float32);
    box_overlaps(default_context(), boxes.view, boxes.view, static_cast<Overlap>(below(4)), 1e-7, pairs.view);
    box_iou_rotated(default_context(), rotated.view, rotated.view, pairs.view);
  }
}

void check_regions() {
  // Some inputs have no pixels: then every result is 0.
  const int64_t channels = 1 + below(70), height = below(10), width = 1 + below(11), n = below(40);
  const int64_t rows = 1 + below(4), columns = 1 + below(4);
  Floats input({2, channels, height, width}, DType::float32), rois({n, 5}, DType::float32);
  Floats out({n, channels, rows, columns}, DType::float32), back(input.shape, DType::float32);
  Dense<int32_t> places(out.shape, DType::int32);
  for (float& v : input.values) v = unit();
  for (int64_t i = 0; i < n; ++i) {
    float* r = rois.values.data() + 5 * i;
    r[0] = static_cast<float>(below(2));
    for (int k = 1; k < 5; ++k) r[k] = below(12) == 0 ? strange() : unit() * 30 - 8;
  }
  set_num_threads(static_cast<int>(1 + below(4)));
  const Context& context = default_context();
  const RoiAlign options{0.7, below(3) - 1, below(2) == 0};
  roi_align(context, input.view, rois.view, options, out.view);
  for (const float v : out.values)
    if (!(v >= 0 && v <= 1.001f)) {
      std::printf("roi_align: %g\n", static_cast<double>(v));
      ++failures;
      break;
    }
  roi_align_backward(context, out.view, rois.view, options, back.view);
  roi_pool(context, input.view, rois.view, 0.7, out.view, &places.view);
  roi_pool_backward(context, out.view, rois.view, places.view, back.view);
  Floats deep({2, channels * rows * columns, height, width}, DType::float32), to(deep.shape, DType::float32);
  ps_roi_align(context, deep.view, rois.view, 0.7, -1, out.view, places.view);
  for (const float v : out.values)
    if (height == 0 && v != 0) {
      std::printf("ps_roi_align: %g of an image without pixels\n", static_cast<double>(v));
      ++failures;
      break;
    }
  ps_roi_align_backward(context, out.view, rois.view, 0.7, -1, to.view);
  ps_roi_pool(context, deep.view, rois.view, 0.7, out.view, places.view);
  ps_roi_pool_backward(context, out.view, rois.view, 0.7, to.view);
}

void check_deform() {
  Deform o;
  const int64_t groups = 1 + below(3), channels = groups * (1 + below(9));
  o.groups = o.offset_groups = groups;
  int64_t in[2], out[2];
  for (int d = 0; d < 2; ++d) {
    o.kernel[d] = 1 + below(3), o.stride[d] = 1 + below(2), o.padding[d] = below(3), o.dilation[d] = 1 + below(2);
    in[d] = 5 + below(6);
    out[d] = (in[d] + 2 * o.padding[d] - o.dilation[d] * (o.kernel[d] - 1) - 1) / o.stride[d] + 1;
  }
  const int64_t taps = o.kernel[0] * o.kernel[1];
  Floats input({2, channels, in[0], in[1]}, DType::float32),
      columns({2, channels * taps, out[0], out[1]}, DType::float32);
  Floats offset({2, 2 * groups * taps, out[0], out[1]}, DType::float32),
      mask({2, groups * taps, out[0], out[1]}, DType::float32);
  for (float& v : offset.values) v = below(9) == 0 ? strange() : unit() * 8 - 4;
  deform_columns(default_context(), input.view, offset.view, &mask.view, o, columns.view);
  Floats a(input.shape, DType::float32), b(offset.shape, DType::float32), c(mask.shape, DType::float32);
  deform_columns_backward(default_context(), columns.view, input.view, offset.view, &mask.view, o, a.view, b.view,
                          &c.view);
}

void check_deform_numbers() {
  Floats input({1, 1, 5, 5}, DType::float32), offset({1, 2, 5, 5}, DType::float32),
      columns({1, 1, 5, 5}, DType::float32);
  for (int which = 0; which < 4; ++which) {
    Deform o;
    (which == 0 ? o.kernel : which == 1 ? o.stride : which == 2 ? o.padding : o.dilation)[1] = which == 2 ? -1 : 0;
    try {
      deform_columns(default_context(), input.view, offset.view, nullptr, o, columns.view);
      std::printf("deform_columns takes a kernel, stride, padding or dilation that is too small (%d)\n", which);
      ++failures;
    } catch (const Error&) {
    }
  }
}

void check_masks() {
  Dense<uint8_t> masks({3, 1 + below(9), 1 + below(40)}, DType::uint8);
  for (uint8_t& v : masks.values) v = below(30) == 0;
  Floats boxes({3, 4}, DType::float32);
  masks_to_boxes(default_context(), masks.view, boxes.view);
}

}  // namespace

int main() {
  check_deform_numbers();
  for (int round = 0; round < 150 && failures == 0; ++round) {
    check_nms(round);
    check_regions();
    check_deform();
    check_masks();
  }
  if (failures == 0) std::printf("boxes and regions: passed\n");
  return failures != 0;
}
