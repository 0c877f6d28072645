#include "fastcnn/ops/filtering.h"

#include "bridge.h"

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def("gaussian_blur",
        [](const py::object& image, const std::vector<double>& sigma, double truncate, const std::string& border) {
          constexpr const char* kOp = "gaussian_blur";
          const Input src(image, kOp, "image");
          const Output dst(src.shape(), dtype_of(src.view()));
          const GaussianBlur blur{sigma, truncate, border_from(border.c_str(), kOp)};
          release_gil([&] { gaussian_blur(default_context(), src.view(), blur, dst.view()); });
          return dst.array();
        });
}
