#include "fastcnn/ops/morphology.h"

#include "bridge.h"

namespace fastcnn::python_bridge {
namespace {

using Kernel = decltype(fastcnn::erosion);

// All five take the same arguments.
void bind(py::module_& m, const char* op, Kernel* kernel) {
  m.def(op, [op, kernel](const py::object& image, const std::vector<int64_t>& size, const py::object& footprint,
                         const std::string& border, double value) {
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
      FASTCNN_CHECK(mask.size() == member.depth * member.height * member.width, op,
                    ": expected footprint of the given size");
      member.mask = static_cast<const uint8_t*>(static_cast<const void*>(mask.data()));
    }
    const Output dst(src.shape(), dtype_of(src.view()));
    release_gil([&] {
      kernel(default_context(), src.view(), static_cast<int>(size.size()), member, border_from(border.c_str(), op),
             value, dst.view());
    });
    return dst.array();
  });
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using fastcnn::python_bridge::bind;
  bind(m, "erosion", fastcnn::erosion);
  bind(m, "dilation", fastcnn::dilation);
  bind(m, "opening", fastcnn::opening);
  bind(m, "closing", fastcnn::closing);
  bind(m, "morphological_gradient", fastcnn::morphological_gradient);
}
