#include "bindings/front.h"
#include "fastcnn/ops/labeling.h"

namespace fastcnn::bindings {

inline Sizes joined(Sizes shape, int64_t size) {
  shape.push_back(size);
  return shape;
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array> label(const Array& mask, int64_t connectivity, int64_t spatial_dims) {
  Front front("label");
  const auto src = front.view(mask, "mask");
  const int dims = static_cast<int>(spatial_dims);
  const auto counts = front.result(batch_shape(src, dims, "label", "mask"), DType::int32);
  const auto labels = front.result(shape_of(src), DType::int32);
  front.run(
      [&](const Context& context) { fastcnn::label(context, src, connectivity, dims, labels.view(), counts.view()); });
  return {labels.array(), counts.array()};
}

template <class Front, class Array = typename Front::Array>
std::tuple<Array, Array, Array> relabel_sequential(const Array& labels, int64_t max_labels, int64_t spatial_dims) {
  Front front("relabel_sequential");
  const auto src = front.view(labels, "labels");
  const int dims = static_cast<int>(spatial_dims);
  Sizes rows = label_table_shape(src, dims, max_labels, "relabel_sequential");
  ++rows.back();
  const auto inverse = front.result(rows, dtype_of(src));
  rows.pop_back();
  const auto counts = front.result(rows, DType::int32), result = front.result(shape_of(src), dtype_of(src));
  front.run([&](const Context& context) {
    fastcnn::relabel_sequential(context, src, dims, result.view(), inverse.view(), counts.view());
  });
  return {result.array(), inverse.array(), counts.array()};
}

template <class Front, class Array = typename Front::Array>
Array clear_border(const Array& labels, int64_t spatial_dims) {
  Front front("clear_border");
  const auto src = front.view(labels, "labels");
  const auto result = front.result(shape_of(src), dtype_of(src));
  front.run([&](const Context& context) {
    fastcnn::clear_border(context, src, static_cast<int>(spatial_dims), result.view());
  });
  return result.array();
}

/// Without intensity, its five columns are empty.
template <class Front, class A = typename Front::Array>
std::tuple<A, A, A, A, A, A, A, A, A> region_table(const A& labels, const std::optional<A>& intensity,
                                                   int64_t max_labels, int64_t spatial_dims) {
  Front front("region_table");
  const auto src = front.view(labels, "labels");
  const auto values = front.view(intensity, "intensity");
  const int dims = static_cast<int>(spatial_dims);
  const Sizes rows = label_table_shape(src, dims, max_labels, "region_table");
  const Sizes batch(rows.begin(), rows.end() - 1), value_rows = values ? rows : joined(batch, 0);
  const DType dtype = values ? dtype_of(*values) : DType::float32;
  const auto columns = std::make_tuple(
      front.result(batch, DType::int32), front.result(rows, DType::int64),
      front.result(joined(rows, 2 * dims), DType::float32), front.result(joined(rows, dims), DType::float32),
      front.result(value_rows, region_mean_dtype(dtype)), front.result(value_rows, dtype),
      front.result(value_rows, dtype), front.result(value_rows, DType::int64), front.result(value_rows, DType::int64));
  const auto views = std::apply([](const auto&... column) { return RegionTableViews{column.view()...}; }, columns);
  front.run([&](const Context& context) { fastcnn::region_table(context, src, pointer(values), dims, views); });
  return std::apply([](const auto&... column) { return std::make_tuple(A(column.array())...); }, columns);
}

template <class Front, class Array = typename Front::Array>
Array _region_table_backward(const Array& labels, const Array& area, const Array& argmin, const Array& argmax,
                             const Array& grad_mean, const Array& grad_min, const Array& grad_max,
                             int64_t spatial_dims) {
  Front front("region_table");
  const auto src = front.view(labels, "labels"), areas = front.view(area, "area");
  const auto minima = front.view(argmin, "argmin"), maxima = front.view(argmax, "argmax");
  const Array dense_mean = front.contiguous(grad_mean), dense_min = front.contiguous(grad_min),
              dense_max = front.contiguous(grad_max);
  const auto of_mean = front.view(dense_mean, "grad"), of_min = front.view(dense_min, "grad"),
             of_max = front.view(dense_max, "grad");
  const auto result = front.result(shape_of(src), dtype_of(of_mean));
  front.run([&](const Context& context) {
    fastcnn::region_table_backward(context, src, areas, minima, maxima, of_mean, of_min, of_max,
                                   static_cast<int>(spatial_dims), result.view());
  });
  return result.array();
}

}  // namespace fastcnn::bindings

#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP)                                                                        \
  OP(label, "(Tensor mask, int connectivity, int spatial_dims) -> (Tensor, Tensor)")                                \
  OP(relabel_sequential, "(Tensor labels, SymInt max_labels, int spatial_dims) -> (Tensor, Tensor, Tensor)")        \
  OP(clear_border, "(Tensor labels, int spatial_dims) -> Tensor")                                                   \
  OP(region_table,                                                                                                  \
     "(Tensor labels, Tensor? intensity, SymInt max_labels, int spatial_dims) -> (Tensor, Tensor, Tensor, Tensor, " \
     "Tensor, Tensor, Tensor, Tensor, Tensor)")                                                                     \
  TORCH_OP(_region_table_backward,                                                                                  \
           "(Tensor labels, Tensor area, Tensor argmin, Tensor argmax, Tensor grad_mean, Tensor grad_min, Tensor "  \
           "grad_max, int spatial_dims) -> Tensor")
