#include "fastcnn/ops/peaks.h"

#include <algorithm>

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

Tensor local_maxima(const Tensor& image, int64_t connectivity, int64_t spatial_dims) {
  Tensor result = new_result(image, ScalarType::Bool);
  fastcnn::local_maxima(context(), view(image), connectivity, static_cast<int>(spatial_dims), view(result));
  return result;
}

Tensor local_minima(const Tensor& image, int64_t connectivity, int64_t spatial_dims) {
  Tensor result = new_result(image, ScalarType::Bool);
  fastcnn::local_minima(context(), view(image), connectivity, static_cast<int>(spatial_dims), view(result));
  return result;
}

Tensor peak_local_max(const Tensor& image, int64_t min_distance, const std::optional<double>& threshold_abs,
                      const std::optional<Tensor>& labels, int64_t spatial_dims) {
  const OptionalView regions(labels);
  const std::vector<int64_t> rows = fastcnn::peak_local_max(
      context(), view(image), {min_distance, threshold_abs, static_cast<int>(spatial_dims)}, regions.pointer);
  const int64_t columns = image.dim();
  Tensor result = new_result(image, {static_cast<int64_t>(rows.size()) / columns, columns}, ScalarType::Long);
  std::copy(rows.begin(), rows.end(), static_cast<int64_t*>(result.mutable_data_ptr()));
  return result;
}

std::tuple<Tensor, Tensor> peak_local_max_padded(const Tensor& image, int64_t max_peaks, int64_t min_distance,
                                                 const std::optional<double>& threshold_abs,
                                                 const std::optional<Tensor>& labels, int64_t spatial_dims) {
  FASTCNN_CHECK(max_peaks >= 0, "peak_local_max_padded: expected max_peaks of at least 0, got ", max_peaks);
  FASTCNN_CHECK(max_peaks <= INT32_MAX, "peak_local_max_padded: expected max_peaks of at most 2^31 - 1, got ",
                max_peaks);
  const OptionalView regions(labels);
  std::vector<int64_t> shape = shape_of(image);
  shape.resize(std::max<int64_t>(0, static_cast<int64_t>(shape.size()) - spatial_dims));
  Tensor counts = new_result(image, shape, ScalarType::Long);
  shape.insert(shape.end(), {max_peaks, spatial_dims});
  Tensor coordinates = new_result(image, shape, ScalarType::Long);
  fastcnn::peak_local_max_padded(context(), view(image), {min_distance, threshold_abs, static_cast<int>(spatial_dims)},
                                 regions.pointer, view(coordinates), view(counts));
  return {coordinates, counts};
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("local_maxima(Tensor image, int connectivity, int spatial_dims) -> Tensor");
  m.def("local_minima(Tensor image, int connectivity, int spatial_dims) -> Tensor");
  m.def(
      "peak_local_max(Tensor image, SymInt min_distance, float? threshold_abs, Tensor? labels, int spatial_dims) -> "
      "Tensor");
  m.def(
      "peak_local_max_padded(Tensor image, SymInt max_peaks, SymInt min_distance, float? threshold_abs, Tensor? "
      "labels, int spatial_dims) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("local_maxima", FASTCNN_BOX(local_maxima));
  m.impl("local_minima", FASTCNN_BOX(local_minima));
  m.impl("peak_local_max", FASTCNN_BOX(peak_local_max));
  m.impl("peak_local_max_padded", FASTCNN_BOX(peak_local_max_padded));
}

}  // namespace fastcnn::torch_bridge
