// Functions of the core for Python that are not ops: how convolutions would run, and a reference for tests.
#include <optional>
#include <tuple>

#include "fastcnn/ops/boxes.h"
#include "fastcnn/ops/conv.h"
#include "front.h"

namespace fastcnn::python_bridge {
namespace {

using Sizes = std::vector<int64_t>;

ConvWeight weight_of(const Sizes& size, const Sizes& stride, const Sizes& padding, const Sizes& dilation,
                     int64_t groups, bool transposed, bool f64) {
  return {size, conv_geometry(stride, padding, dilation, groups), transposed, f64 ? DType::float64 : DType::float32};
}

py::object nms_by_definition(const py::object& boxes, const py::object& scores, const std::optional<py::object>& idxs,
                             double threshold) {
  NumpyFront front("nms");
  const auto b = front.view(boxes, "boxes"), s = front.view(scores, "scores");
  const auto classes = front.view(idxs, "idxs");
  const std::vector<int64_t> kept = nms_ref(serial_context(), b, s, bindings::pointer(classes), threshold);
  return bindings::filled(front, {static_cast<int64_t>(kept.size())}, DType::int64, kept);
}

}  // namespace
}  // namespace fastcnn::python_bridge

FASTCNN_BINDINGS(m) {
  using namespace fastcnn;
  using namespace fastcnn::python_bridge;
  m.def(
      "packed_conv_size", [](const Sizes& weight_size, const Sizes& stride, const Sizes& padding, const Sizes& dilation,
                             int64_t groups, bool transposed, bool f64, const std::string& algorithm) {
        return packed_conv_size(weight_of(weight_size, stride, padding, dilation, groups, transposed, f64), algorithm);
      });
  m.def("choose_conv_algorithm", [](const Sizes& input, const Sizes& weight_size, const Sizes& stride,
                                    const Sizes& padding, const Sizes& dilation, int64_t groups,
                                    const Sizes& output_size, bool f64, int threads, bool packed, bool finite) {
    return choose_conv_algorithm(weight_of(weight_size, stride, padding, dilation, groups, !output_size.empty(), f64),
                                 input, output_size, packed, threads, finite);
  });
  m.def("conv_candidates", [](const Sizes& input, const Sizes& weight_size, const Sizes& stride, const Sizes& padding,
                              const Sizes& dilation, int64_t groups, const Sizes& output_size, bool f64, int threads,
                              bool packed) {
    const ConvWeight weight = weight_of(weight_size, stride, padding, dilation, groups, !output_size.empty(), f64);
    std::vector<std::tuple<std::string, bool, bool>> rows;
    for (const ConvCandidate& c : conv_candidates(weight, input, output_size, packed, threads))
      rows.emplace_back(c.name, c.fits, c.wins);
    return rows;
  });
  m.def("nms_ref", nms_by_definition);
  m.def("conv_algorithms", conv_algorithms);
  m.def("set_conv_algorithm", set_conv_algorithm);
  m.def("get_conv_algorithm", get_conv_algorithm);
}
