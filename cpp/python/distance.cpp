#include "fastcnn/ops/distance.h"

#include "bridge.h"

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("distance_transform_edt",
        [](const py::object& mask, const std::optional<std::vector<double>>& sampling, bool return_indices,
           bool squared, int spatial_dims) -> py::object {
          const Input src(mask, "distance_transform_edt", "mask");
          FASTCNN_CHECK(!sampling || static_cast<int>(sampling->size()) == spatial_dims,
                        "distance_transform_edt: expected sampling of ", spatial_dims, " values, got ",
                        sampling->size());
          const Output dst(src.shape(), squared ? DType::int32 : DType::float32);
          std::optional<Output> indices;
          if (return_indices) {
            std::vector<int64_t> shape = src.shape();
            if (static_cast<int>(shape.size()) >= spatial_dims) shape.insert(shape.end() - spatial_dims, spatial_dims);
            indices.emplace(shape, DType::int64);
          }
          release_gil([&] {
            distance_transform_edt(default_context(), src.view(), spatial_dims, sampling ? sampling->data() : nullptr,
                                   dst.view(), indices ? &indices->view() : nullptr);
          });
          if (!indices) return dst.array();
          return py::make_tuple(dst.array(), indices->array());
        });
}
