#include "fastcnn/ops/thresholding.h"

#include <algorithm>

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

using Kernel = decltype(threshold_local);

py::array local(Kernel* kernel, const char* op, const py::object& image, int64_t block_size, const std::string& method,
                double offset, bool binary) {
  const Input src(image, op, "image");
  const Output dst(src.shape(), binary ? DType::boolean : local_threshold_dtype(dtype_of(src.view())));
  const LocalThreshold threshold{block_size, local_method_from(method.c_str(), op), offset};
  release_gil([&] { kernel(default_context(), src.view(), threshold, dst.view()); });
  return dst.array();
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("threshold_otsu", [](const py::object& image, int64_t nbins, int spatial_dims) {
    const Input src(image, "threshold_otsu", "image");
    std::vector<int64_t> shape = src.shape();
    shape.resize(shape.size() - std::min(shape.size(), static_cast<size_t>(spatial_dims)));
    const Output dst(shape, dtype_of(src.view()));
    release_gil([&] { threshold_otsu(default_context(), src.view(), spatial_dims, nbins, dst.view()); });
    return dst.array();
  });
  m.def("threshold_local", [](const py::object& image, int64_t block_size, const std::string& method, double offset) {
    return local(threshold_local, "threshold_local", image, block_size, method, offset, false);
  });
  m.def("binarize_local", [](const py::object& image, int64_t block_size, const std::string& method, double offset) {
    return local(binarize_local, "binarize_local", image, block_size, method, offset, true);
  });
}
