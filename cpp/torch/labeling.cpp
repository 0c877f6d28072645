#include "fastcnn/ops/labeling.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

std::vector<int64_t> joined(std::vector<int64_t> shape, int64_t size) {
  shape.push_back(size);
  return shape;
}

std::tuple<Tensor, Tensor> label(const Tensor& mask, int64_t connectivity, int64_t spatial_dims) {
  const int dims = static_cast<int>(spatial_dims);
  Tensor counts = new_result(mask, batch_shape(view(mask), dims, "label", "mask"), ScalarType::Int);
  Tensor labels = new_result(mask, ScalarType::Int);
  fastcnn::label(context(), view(mask), connectivity, dims, view(labels), view(counts));
  return {labels, counts};
}

std::tuple<Tensor, Tensor, Tensor> relabel_sequential(const Tensor& labels, int64_t max_labels, int64_t spatial_dims) {
  const int dims = static_cast<int>(spatial_dims);
  std::vector<int64_t> rows = label_table_shape(view(labels), dims, max_labels, "relabel_sequential");
  ++rows.back();
  Tensor inverse = new_result(labels, rows, labels.scalar_type());
  rows.pop_back();
  Tensor counts = new_result(labels, rows, ScalarType::Int);
  Tensor result = new_result(labels);
  fastcnn::relabel_sequential(context(), view(labels), dims, view(result), view(inverse), view(counts));
  return {result, inverse, counts};
}

Tensor clear_border(const Tensor& labels, int64_t spatial_dims) {
  Tensor result = new_result(labels);
  fastcnn::clear_border(context(), view(labels), static_cast<int>(spatial_dims), view(result));
  return result;
}

using RegionTensors = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

/// Without intensity its five columns have no rows.
RegionTensors region_table(const Tensor& labels, const std::optional<Tensor>& intensity, int64_t max_labels,
                           int64_t spatial_dims) {
  const int dims = static_cast<int>(spatial_dims);
  const std::vector<int64_t> rows = label_table_shape(view(labels), dims, max_labels, "region_table");
  const std::vector<int64_t> batch(rows.begin(), rows.end() - 1);
  const std::vector<int64_t> values = intensity ? rows : joined(batch, 0);
  const ScalarType dtype = intensity ? intensity->scalar_type() : ScalarType::Float;
  const ScalarType mean = intensity ? scalar_type(region_mean_dtype(dtype_of(view(*intensity)))) : dtype;
  RegionTensors columns = {new_result(labels, batch, ScalarType::Int),
                           new_result(labels, rows, ScalarType::Long),
                           new_result(labels, joined(rows, 2 * dims), ScalarType::Float),
                           new_result(labels, joined(rows, dims), ScalarType::Float),
                           new_result(labels, values, mean),
                           new_result(labels, values, dtype),
                           new_result(labels, values, dtype),
                           new_result(labels, values, ScalarType::Long),
                           new_result(labels, values, ScalarType::Long)};
  const RegionTableViews views =
      std::apply([](const auto&... tensor) { return RegionTableViews{view(tensor)...}; }, columns);
  const TensorView source = intensity ? view(*intensity) : TensorView{};
  fastcnn::region_table(context(), view(labels), intensity ? &source : nullptr, dims, views);
  return columns;
}

Tensor region_table_backward(const Tensor& labels, const Tensor& area, const Tensor& argmin, const Tensor& argmax,
                             const Tensor& grad_mean, const Tensor& grad_min, const Tensor& grad_max,
                             int64_t spatial_dims) {
  Tensor result = new_result(labels, grad_mean.scalar_type());
  const auto dense = [](const Tensor& t) { return torch::stable::contiguous(t); };
  const Tensor mean = dense(grad_mean), least = dense(grad_min), most = dense(grad_max);
  fastcnn::region_table_backward(context(), view(labels), view(area), view(argmin), view(argmax), view(mean),
                                 view(least), view(most), static_cast<int>(spatial_dims), view(result));
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("label(Tensor mask, int connectivity, int spatial_dims) -> (Tensor, Tensor)");
  m.def("relabel_sequential(Tensor labels, SymInt max_labels, int spatial_dims) -> (Tensor, Tensor, Tensor)");
  m.def("clear_border(Tensor labels, int spatial_dims) -> Tensor");
  m.def(
      "region_table(Tensor labels, Tensor? intensity, SymInt max_labels, int spatial_dims) -> (Tensor, Tensor, Tensor, "
      "Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "_region_table_backward(Tensor labels, Tensor area, Tensor argmin, Tensor argmax, Tensor grad_mean, Tensor "
      "grad_min, Tensor grad_max, int spatial_dims) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("label", FASTCNN_BOX(label));
  m.impl("relabel_sequential", FASTCNN_BOX(relabel_sequential));
  m.impl("clear_border", FASTCNN_BOX(clear_border));
  m.impl("region_table", FASTCNN_BOX(region_table));
  m.impl("_region_table_backward", FASTCNN_BOX(region_table_backward));
}

}  // namespace fastcnn::torch_bridge
