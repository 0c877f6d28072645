#include "fastcnn/ops/labeling.h"

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

std::vector<int64_t> joined(std::vector<int64_t> shape, int64_t size) {
  shape.push_back(size);
  return shape;
}

py::tuple label(const py::object& mask, int64_t connectivity, int spatial_dims) {
  const Input src(mask, "label", "mask");
  Output counts(batch_shape(src.view(), spatial_dims, "label", "mask"), DType::int32);
  Output labels(src.shape(), DType::int32);
  release_gil(
      [&] { fastcnn::label(default_context(), src.view(), connectivity, spatial_dims, labels.view(), counts.view()); });
  return py::make_tuple(labels.array(), counts.array());
}

py::tuple relabel_sequential(const py::object& labels, int64_t max_labels, int spatial_dims) {
  const Input src(labels, "relabel_sequential", "labels");
  std::vector<int64_t> rows = label_table_shape(src.view(), spatial_dims, max_labels, "relabel_sequential");
  ++rows.back();
  Output inverse(rows, dtype_of(src.view()));
  rows.pop_back();
  Output counts(rows, DType::int32), result(src.shape(), dtype_of(src.view()));
  release_gil([&] {
    fastcnn::relabel_sequential(default_context(), src.view(), spatial_dims, result.view(), inverse.view(),
                                counts.view());
  });
  return py::make_tuple(result.array(), inverse.array(), counts.array());
}

py::array clear_border(const py::object& labels, int spatial_dims) {
  const Input src(labels, "clear_border", "labels");
  Output dst(src.shape(), dtype_of(src.view()));
  release_gil([&] { fastcnn::clear_border(default_context(), src.view(), spatial_dims, dst.view()); });
  return dst.array();
}

/// Without intensity its five columns have no rows.
py::tuple region_table(const py::object& labels, const py::object& intensity, int64_t max_labels, int spatial_dims) {
  const Input src(labels, "region_table", "labels");
  std::optional<Input> values;
  if (!intensity.is_none()) values.emplace(intensity, "region_table", "intensity");
  const std::vector<int64_t> rows = label_table_shape(src.view(), spatial_dims, max_labels, "region_table");
  const std::vector<int64_t> batch(rows.begin(), rows.end() - 1), value_rows = values ? rows : joined(batch, 0);
  const DType dtype = values ? dtype_of(values->view()) : DType::float32;
  const Output columns[] = {{batch, DType::int32},
                            {rows, DType::int64},
                            {joined(rows, 2 * spatial_dims), DType::float32},
                            {joined(rows, spatial_dims), DType::float32},
                            {value_rows, region_mean_dtype(dtype)},
                            {value_rows, dtype},
                            {value_rows, dtype},
                            {value_rows, DType::int64},
                            {value_rows, DType::int64}};
  const RegionTableViews views = {columns[0].view(), columns[1].view(), columns[2].view(),
                                  columns[3].view(), columns[4].view(), columns[5].view(),
                                  columns[6].view(), columns[7].view(), columns[8].view()};
  release_gil([&] {
    fastcnn::region_table(default_context(), src.view(), values ? &values->view() : nullptr, spatial_dims, views);
  });
  return py::make_tuple(columns[0].array(), columns[1].array(), columns[2].array(), columns[3].array(),
                        columns[4].array(), columns[5].array(), columns[6].array());
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn::python_bridge;
  m.def("label", label);
  m.def("relabel_sequential", relabel_sequential);
  m.def("clear_border", clear_border);
  m.def("region_table", region_table);
}
