#include "fastcnn/ops/geometry.h"

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

Output resized(const Input& image, int64_t height, int64_t width, const char* op) {
  std::vector<int64_t> shape = image.shape();
  FASTCNN_CHECK(shape.size() >= 2, op, ": expected image of shape (..., H, W), got ", shape_text(image.view()));
  FASTCNN_CHECK(height >= 0 && width >= 0, op, ": expected size of at least 0, got (", height, ", ", width, ")");
  shape[shape.size() - 2] = height, shape.back() = width;
  return {shape, dtype_of(image.view())};
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("resize", [](const py::object& image, int64_t height, int64_t width, const std::string& mode, bool antialias) {
    const Input src(image, "resize", "image");
    const Output dst = resized(src, height, width, "resize");
    const Resize options{interpolation_from(mode.c_str(), "resize"), antialias};
    release_gil([&] { resize(default_context(), src.view(), options, dst.view()); });
    return dst.array();
  });
  m.def("warp_affine", [](const py::object& image, const py::object& maps, int64_t height, int64_t width,
                          const std::string& mode, double fill) {
    const Input src(image, "warp_affine", "image"), matrices(maps, "warp_affine", "matrix");
    const Output dst = resized(src, height, width, "warp_affine");
    const Warp options{interpolation_from(mode.c_str(), "warp_affine"), fill};
    release_gil([&] { warp_affine(default_context(), src.view(), matrices.view(), options, dst.view()); });
    return dst.array();
  });
}
