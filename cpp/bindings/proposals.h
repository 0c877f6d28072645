#include "bindings/front.h"
#include "fastcnn/ops/proposals.h"

namespace fastcnn::bindings {

template <class Front, class Array = typename Front::Array>
Array felzenszwalb(const Array& image, double scale, double sigma, int64_t min_size) {
  Front front("felzenszwalb");
  const auto src = front.view(image, "image");
  FASTCNN_CHECK(src.ndim >= 3, "felzenszwalb: expected image of shape (..., C, H, W)");
  Sizes shape = shape_of(src);
  shape.erase(shape.end() - 3);
  const auto labels = front.result(shape, DType::int32);
  front.run(
      [&](const Context& context) { fastcnn::felzenszwalb(context, src, {scale, sigma, min_size}, labels.view()); });
  return labels.array();
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> selective_search(const Array& image, bool quality, const std::vector<double>& scales,
                                          double sigma, int64_t min_size, int64_t max_boxes, int64_t seed) {
  Front front("selective_search");
  const auto src = front.view(image, "image");
  const Proposals found = front.run([&](const Context& context) {
    return fastcnn::selective_search(context, src, {quality, scales, sigma, min_size, max_boxes, seed});
  });
  const auto count = static_cast<int64_t>(found.scores.size());
  return {filled(front, {count, 4}, DType::float32, found.boxes), filled(front, {count}, DType::float32, found.scores)};
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array, Array> selective_search_padded(const Array& image, bool quality,
                                                        const std::vector<double>& scales, double sigma,
                                                        int64_t min_size, int64_t max_boxes, int64_t seed) {
  constexpr char op[] = "selective_search_padded";
  Front front(op);
  const auto src = front.view(image, "image");
  FASTCNN_CHECK(max_boxes >= 0, op, ": expected max_boxes of at least 0, got ", max_boxes);
  FASTCNN_CHECK(max_boxes <= INT32_MAX, op, ": expected max_boxes of at most 2^31 - 1, got ", max_boxes);
  Sizes shape = shape_of(src);
  shape.resize(std::max<size_t>(shape.size(), 3) - 3);
  const auto counts = front.result(shape, DType::int64);
  shape.push_back(max_boxes);
  const auto scores = front.result(shape, DType::float32);
  shape.push_back(4);
  const auto boxes = front.result(shape, DType::float32);
  front.run([&](const Context& context) {
    fastcnn::selective_search_padded(context, src, {quality, scales, sigma, min_size, max_boxes, seed}, boxes.view(),
                                     scores.view(), counts.view());
  });
  return {boxes.array(), scores.array(), counts.array()};
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                  \
  OP(felzenszwalb, "(Tensor image, float scale, float sigma, SymInt min_size) -> Tensor")                     \
  OP(selective_search,                                                                                        \
     "(Tensor image, bool quality, float[] scales, float sigma, SymInt min_size, SymInt max_boxes, int seed)" \
     " -> (Tensor, Tensor)")                                                                                  \
  OP(selective_search_padded,                                                                                 \
     "(Tensor image, bool quality, float[] scales, float sigma, SymInt min_size, SymInt max_boxes, int seed)" \
     " -> (Tensor, Tensor, Tensor)")
