#include "fastcnn/ops/proposals.h"

#include <algorithm>

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

py::array floats(const std::vector<int64_t>& shape, const std::vector<float>& values) {
  const Output result(shape, DType::float32);
  std::copy(values.begin(), values.end(), result.view().as<float>());
  return result.array();
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("felzenszwalb", [](const py::object& image, double scale, double sigma, int64_t min_size) {
    const Input src(image, "felzenszwalb", "image");
    std::vector<int64_t> shape = src.shape();
    FASTCNN_CHECK(shape.size() >= 3, "felzenszwalb: expected image of shape (..., C, H, W)");
    shape.erase(shape.end() - 3);
    const Output labels(shape, DType::int32);
    release_gil([&] { felzenszwalb(default_context(), src.view(), {scale, sigma, min_size}, labels.view()); });
    return labels.array();
  });
  m.def("selective_search", [](const py::object& image, bool quality, const std::vector<double>& scales, double sigma,
                               int64_t min_size, int64_t max_boxes, int64_t seed) {
    const Input src(image, "selective_search", "image");
    Proposals found;
    release_gil([&] {
      found = selective_search(default_context(), src.view(), {quality, scales, sigma, min_size, max_boxes, seed});
    });
    const auto count = static_cast<int64_t>(found.scores.size());
    return py::make_tuple(floats({count, 4}, found.boxes), floats({count}, found.scores));
  });
  m.def("selective_search_padded", [](const py::object& image, bool quality, const std::vector<double>& scales,
                                      double sigma, int64_t min_size, int64_t max_boxes, int64_t seed) {
    const Input src(image, "selective_search_padded", "image");
    FASTCNN_CHECK(max_boxes >= 0, "selective_search_padded: expected max_boxes of at least 0, got ", max_boxes);
    FASTCNN_CHECK(max_boxes <= INT32_MAX, "selective_search_padded: expected max_boxes of at most 2^31 - 1, got ",
                  max_boxes);
    std::vector<int64_t> shape = src.shape();
    shape.resize(std::max<size_t>(shape.size(), 3) - 3);
    const Output counts(shape, DType::int64);
    shape.push_back(max_boxes);
    const Output scores(shape, DType::float32);
    shape.push_back(4);
    const Output boxes(shape, DType::float32);
    release_gil([&] {
      selective_search_padded(default_context(), src.view(), {quality, scales, sigma, min_size, max_boxes, seed},
                              boxes.view(), scores.view(), counts.view());
    });
    return py::make_tuple(boxes.array(), scores.array(), counts.array());
  });
}
