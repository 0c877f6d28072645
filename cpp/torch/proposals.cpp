#include "fastcnn/ops/proposals.h"

#include <algorithm>

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

Tensor felzenszwalb(const Tensor& image, double scale, double sigma, int64_t min_size) {
  std::vector<int64_t> shape = shape_of(image);
  FASTCNN_CHECK(shape.size() >= 3, "felzenszwalb: expected image of shape (..., C, H, W)");
  shape.erase(shape.end() - 3);
  Tensor labels = new_result(image, shape, ScalarType::Int);
  fastcnn::felzenszwalb(context(), view(image), {scale, sigma, min_size}, view(labels));
  return labels;
}

Tensor floats(const Tensor& like, const std::vector<int64_t>& shape, const std::vector<float>& values) {
  Tensor result = new_result(like, shape, ScalarType::Float);
  std::copy(values.begin(), values.end(), static_cast<float*>(result.mutable_data_ptr()));
  return result;
}

std::tuple<Tensor, Tensor> selective_search(const Tensor& image, bool quality, const std::vector<double>& scales,
                                            double sigma, int64_t min_size, int64_t max_boxes, int64_t seed) {
  const Proposals found =
      fastcnn::selective_search(context(), view(image), {quality, scales, sigma, min_size, max_boxes, seed});
  const auto count = static_cast<int64_t>(found.scores.size());
  return {floats(image, {count, 4}, found.boxes), floats(image, {count}, found.scores)};
}

std::tuple<Tensor, Tensor, Tensor> selective_search_padded(const Tensor& image, bool quality,
                                                           const std::vector<double>& scales, double sigma,
                                                           int64_t min_size, int64_t max_boxes, int64_t seed) {
  FASTCNN_CHECK(max_boxes >= 0, "selective_search_padded: expected max_boxes of at least 0, got ", max_boxes);
  FASTCNN_CHECK(max_boxes <= INT32_MAX, "selective_search_padded: expected max_boxes of at most 2^31 - 1, got ",
                max_boxes);
  std::vector<int64_t> shape = shape_of(image);
  shape.resize(std::max<size_t>(shape.size(), 3) - 3);
  Tensor counts = new_result(image, shape, ScalarType::Long);
  shape.push_back(max_boxes);
  Tensor scores = new_result(image, shape, ScalarType::Float);
  shape.push_back(4);
  Tensor boxes = new_result(image, shape, ScalarType::Float);
  fastcnn::selective_search_padded(context(), view(image), {quality, scales, sigma, min_size, max_boxes, seed},
                                   view(boxes), view(scores), view(counts));
  return {boxes, scores, counts};
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("felzenszwalb(Tensor image, float scale, float sigma, SymInt min_size) -> Tensor");
  m.def(
      "selective_search(Tensor image, bool quality, float[] scales, float sigma, SymInt min_size, SymInt max_boxes, "
      "int seed) -> (Tensor, Tensor)");
  m.def(
      "selective_search_padded(Tensor image, bool quality, float[] scales, float sigma, SymInt min_size, SymInt "
      "max_boxes, int seed) -> (Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("felzenszwalb", FASTCNN_BOX(felzenszwalb));
  m.impl("selective_search", FASTCNN_BOX(selective_search));
  m.impl("selective_search_padded", FASTCNN_BOX(selective_search_padded));
}

}  // namespace fastcnn::torch_bridge
