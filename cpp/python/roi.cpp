#include "fastcnn/ops/roi.h"

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

std::vector<int64_t> pooled_shape(const char* op, const Input& input, const Input& rois, int64_t height,
                                  int64_t width) {
  FASTCNN_CHECK(input.shape().size() == 4, op, ": expected input of shape (N, C, H, W), got ",
                shape_text(input.view()));
  FASTCNN_CHECK(rois.shape().size() == 2 && rois.shape()[1] == 5, op, ": expected rois of shape (K, 5), got ",
                shape_text(rois.view()));
  FASTCNN_CHECK(height > 0 && width > 0, op, ": expected output_size of at least 1, got ", height, " x ", width);
  return {rois.shape()[0], input.shape()[1], height, width};
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("roi_align", [](const py::object& input, const py::object& rois, double spatial_scale, int64_t height,
                        int64_t width, int64_t sampling_ratio, bool aligned) {
    const Input map(input, "roi_align", "input"), regions(rois, "roi_align", "rois");
    const Output dst(pooled_shape("roi_align", map, regions, height, width), dtype_of(map.view()));
    release_gil([&] {
      roi_align(default_context(), map.view(), regions.view(), {spatial_scale, sampling_ratio, aligned}, dst.view());
    });
    return dst.array();
  });
  m.def("roi_pool", [](const py::object& input, const py::object& rois, double spatial_scale, int64_t height,
                       int64_t width) {
    const Input map(input, "roi_pool", "input"), regions(rois, "roi_pool", "rois");
    const std::vector<int64_t> shape = pooled_shape("roi_pool", map, regions, height, width);
    const Output dst(shape, dtype_of(map.view()));
    release_gil([&] { roi_pool(default_context(), map.view(), regions.view(), spatial_scale, dst.view(), nullptr); });
    return dst.array();
  });
}
