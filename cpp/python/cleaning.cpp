#include "fastcnn/ops/cleaning.h"

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

py::array fill_holes(const py::object& mask, int spatial_dims) {
  const Input src(mask, "fill_holes", "mask");
  Output dst(src.shape(), DType::boolean);
  release_gil([&] { fastcnn::fill_holes(default_context(), src.view(), spatial_dims, dst.view()); });
  return dst.array();
}

py::array remove_small_objects(const py::object& mask, int64_t min_size, int64_t connectivity, int spatial_dims) {
  const Input src(mask, "remove_small_objects", "mask");
  Output dst(src.shape(), dtype_of(src.view()));
  release_gil([&] {
    fastcnn::remove_small_objects(default_context(), src.view(), min_size, connectivity, spatial_dims, dst.view());
  });
  return dst.array();
}

py::array remove_small_holes(const py::object& mask, int64_t max_size, int64_t connectivity, int spatial_dims) {
  const Input src(mask, "remove_small_holes", "mask");
  Output dst(src.shape(), DType::boolean);
  release_gil([&] {
    fastcnn::remove_small_holes(default_context(), src.view(), max_size, connectivity, spatial_dims, dst.view());
  });
  return dst.array();
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn::python_bridge;
  m.def("fill_holes", fill_holes);
  m.def("remove_small_objects", remove_small_objects);
  m.def("remove_small_holes", remove_small_holes);
}
