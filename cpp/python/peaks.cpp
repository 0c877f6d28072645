#include "fastcnn/ops/peaks.h"

#include <algorithm>

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

using Extrema = decltype(fastcnn::local_maxima);

template <Extrema* kernel>
py::array extrema(const char* op, const py::object& image, int64_t connectivity, int spatial_dims) {
  const Input src(image, op, "image");
  const Output dst(src.shape(), DType::boolean);
  release_gil([&] { kernel(default_context(), src.view(), connectivity, spatial_dims, dst.view()); });
  return dst.array();
}

// An optional argument.
std::optional<Input> labels_of(const py::object& labels) {
  if (labels.is_none()) return std::nullopt;
  return std::optional<Input>(std::in_place, labels, "peak_local_max", "labels");
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("local_maxima", [](const py::object& image, int64_t connectivity, int spatial_dims) {
    return extrema<local_maxima>("local_maxima", image, connectivity, spatial_dims);
  });
  m.def("local_minima", [](const py::object& image, int64_t connectivity, int spatial_dims) {
    return extrema<local_minima>("local_minima", image, connectivity, spatial_dims);
  });
  m.def("peak_local_max", [](const py::object& image, int64_t min_distance, std::optional<double> threshold_abs,
                             const py::object& labels, int spatial_dims) {
    const Input src(image, "peak_local_max", "image");
    const std::optional<Input> regions = labels_of(labels);
    std::vector<int64_t> rows;
    release_gil([&] {
      rows = peak_local_max(default_context(), src.view(), {min_distance, threshold_abs, spatial_dims},
                            regions ? &regions->view() : nullptr);
    });
    const auto columns = static_cast<int64_t>(src.shape().size());
    const Output dst({static_cast<int64_t>(rows.size()) / columns, columns}, DType::int64);
    std::copy(rows.begin(), rows.end(), dst.view().as<int64_t>());
    return dst.array();
  });
  m.def("peak_local_max_padded", [](const py::object& image, int64_t max_peaks, int64_t min_distance,
                                    std::optional<double> threshold_abs, const py::object& labels, int spatial_dims) {
    const Input src(image, "peak_local_max_padded", "image");
    FASTCNN_CHECK(max_peaks >= 0, "peak_local_max_padded: expected max_peaks of at least 0, got ", max_peaks);
    FASTCNN_CHECK(max_peaks <= INT32_MAX, "peak_local_max_padded: expected max_peaks of at most 2^31 - 1, got ",
                  max_peaks);
    const std::optional<Input> regions = labels_of(labels);
    std::vector<int64_t> shape = src.shape();
    shape.resize(std::max<int64_t>(0, static_cast<int64_t>(shape.size()) - spatial_dims));
    const Output counts(shape, DType::int64);
    shape.insert(shape.end(), {max_peaks, spatial_dims});
    const Output coordinates(shape, DType::int64);
    release_gil([&] {
      peak_local_max_padded(default_context(), src.view(), {min_distance, threshold_abs, spatial_dims},
                            regions ? &regions->view() : nullptr, coordinates.view(), counts.view());
    });
    return py::make_tuple(coordinates.array(), counts.array());
  });
}
