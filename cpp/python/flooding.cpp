#include "fastcnn/ops/flooding.h"

#include "bridge.h"

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("watershed", [](const py::object& image, const py::object& markers, const py::object& mask,
                        int64_t connectivity, double compactness, bool watershed_line, int spatial_dims) {
    const Input src(image, "watershed", "image");
    const Input seeds(markers, "watershed", "markers");
    std::optional<Input> inside;
    if (!mask.is_none()) inside.emplace(mask, "watershed", "mask");
    const Output labels(src.shape(), dtype_of(seeds.view()));
    release_gil([&] {
      watershed(default_context(), src.view(), seeds.view(), inside ? &inside->view() : nullptr, connectivity,
                compactness, watershed_line, spatial_dims, labels.view());
    });
    return labels.array();
  });
}
