#include "bindings/front.h"
#include "fastcnn/ops/peaks.h"

namespace fastcnn::bindings {

template <decltype(fastcnn::local_maxima)* kernel, class Front, class Array = typename Front::Array>
Array extrema(const char* op, const Array& image, int64_t connectivity, int64_t spatial_dims) {
  Front front(op);
  const auto src = front.view(image, "image");
  const auto result = front.result(shape_of(src), DType::boolean);
  front.run([&](const Context& context) {
    kernel(context, src, connectivity, static_cast<int>(spatial_dims), result.view());
  });
  return result.array();
}
template <class Front, class Array = typename Front::Array>
Array local_maxima(const Array& image, int64_t connectivity, int64_t spatial_dims) {
  return extrema<fastcnn::local_maxima, Front>("local_maxima", image, connectivity, spatial_dims);
}
template <class Front, class Array = typename Front::Array>
Array local_minima(const Array& image, int64_t connectivity, int64_t spatial_dims) {
  return extrema<fastcnn::local_minima, Front>("local_minima", image, connectivity, spatial_dims);
}

template <class Front, class Array = typename Front::Array>
Array peak_local_max(const Array& image, int64_t min_distance, const std::optional<double>& threshold_abs,
                     const std::optional<Array>& labels, int64_t spatial_dims) {
  Front front("peak_local_max");
  const auto src = front.view(image, "image");
  const auto regions = front.view(labels, "labels");
  const std::vector<int64_t> rows = front.run([&](const Context& context) {
    return fastcnn::peak_local_max(context, src, {min_distance, threshold_abs, static_cast<int>(spatial_dims)},
                                   pointer(regions));
  });
  return filled(front, {static_cast<int64_t>(rows.size()) / src.ndim, src.ndim}, DType::int64, rows);
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> peak_local_max_padded(const Array& image, int64_t max_peaks, int64_t min_distance,
                                               const std::optional<double>& threshold_abs,
                                               const std::optional<Array>& labels, int64_t spatial_dims) {
  constexpr char op[] = "peak_local_max_padded";
  Front front(op);
  const auto src = front.view(image, "image");
  const auto regions = front.view(labels, "labels");
  FASTCNN_CHECK(max_peaks >= 0, op, ": expected max_peaks of at least 0, got ", max_peaks);
  FASTCNN_CHECK(max_peaks <= INT32_MAX, op, ": expected max_peaks of at most 2^31 - 1, got ", max_peaks);
  Sizes shape = shape_of(src);
  shape.resize(std::max<int64_t>(0, src.ndim - spatial_dims));
  const auto counts = front.result(shape, DType::int64);
  shape.insert(shape.end(), {max_peaks, spatial_dims});
  const auto coordinates = front.result(shape, DType::int64);
  front.run([&](const Context& context) {
    fastcnn::peak_local_max_padded(context, src, {min_distance, threshold_abs, static_cast<int>(spatial_dims)},
                                   pointer(regions), coordinates.view(), counts.view());
  });
  return {coordinates.array(), counts.array()};
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                         \
  OP(local_maxima, "(Tensor image, int connectivity, int spatial_dims) -> Tensor")                                   \
  OP(local_minima, "(Tensor image, int connectivity, int spatial_dims) -> Tensor")                                   \
  OP(peak_local_max,                                                                                                 \
     "(Tensor image, SymInt min_distance, float? threshold_abs, Tensor? labels, int spatial_dims) -> Tensor")        \
  OP(peak_local_max_padded,                                                                                          \
     "(Tensor image, SymInt max_peaks, SymInt min_distance, float? threshold_abs, Tensor? labels, int spatial_dims)" \
     " -> (Tensor, Tensor)")
