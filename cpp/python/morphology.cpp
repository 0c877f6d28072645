#include "fastcnn/ops/morphology.h"

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

using Kernel = decltype(fastcnn::erosion);

template <Kernel* kernel>
py::array extremum(const char* op, const py::object& image, const std::vector<int64_t>& size,
                   const py::object& footprint, const std::string& border, double value) {
  const Input src(image, op, "image");
  FASTCNN_CHECK(size.size() == 2 || size.size() == 3, op, ": expected a footprint of 2 or 3 dimensions, got ",
                size.size());
  Footprint member;
  member.width = size[size.size() - 1];
  member.height = size[size.size() - 2];
  if (size.size() == 3) member.depth = size[0];
  py::array_t<bool, py::array::c_style> mask;
  if (!footprint.is_none()) {
    mask = footprint.cast<decltype(mask)>();
    member.mask = static_cast<const uint8_t*>(static_cast<const void*>(mask.data()));
  }
  Output dst(src.shape(), dtype_of(src.view()));
  release_gil([&] {
    kernel(default_context(), src.view(), static_cast<int>(size.size()), member, border_from(border.c_str(), op), value,
           dst.view());
  });
  return dst.array();
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  namespace py = pybind11;
  m.def("erosion", [](const py::object& image, const std::vector<int64_t>& size, const py::object& footprint,
                      const std::string& border, double value) {
    return python_bridge::extremum<erosion>("erosion", image, size, footprint, border, value);
  });
  m.def("dilation", [](const py::object& image, const std::vector<int64_t>& size, const py::object& footprint,
                       const std::string& border, double value) {
    return python_bridge::extremum<dilation>("dilation", image, size, footprint, border, value);
  });
}
