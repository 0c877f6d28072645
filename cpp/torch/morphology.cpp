#include "footprint.h"

namespace fastcnn::torch_bridge {
namespace {

using Kernel = decltype(fastcnn::erosion);

constexpr char kErosion[] = "erosion", kDilation[] = "dilation", kOpening[] = "opening", kClosing[] = "closing",
               kGradient[] = "morphological_gradient";

// All seven take the same arguments; the index ops return int64.
template <Kernel* kernel, const char* op, bool index = false>
Tensor morphology(const Tensor& image, const std::vector<int64_t>& size, const std::optional<Tensor>& footprint,
                  const std::string& border, double value) {
  const Footprint member = footprint_of(op, size, footprint);
  Tensor result = index ? new_result(image, ScalarType::Long) : new_result(image);
  kernel(context(), view(image), static_cast<int>(size.size()), member, border_from(border.c_str(), op), value,
         view(result));
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("erosion(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor");
  m.def("dilation(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor");
  m.def("opening(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor");
  m.def("closing(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor");
  m.def("morphological_gradient(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor");
  m.def("_erosion_index(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor");
  m.def("_dilation_index(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("erosion", FASTCNN_BOX((morphology<fastcnn::erosion, kErosion>)));
  m.impl("dilation", FASTCNN_BOX((morphology<fastcnn::dilation, kDilation>)));
  m.impl("opening", FASTCNN_BOX((morphology<fastcnn::opening, kOpening>)));
  m.impl("closing", FASTCNN_BOX((morphology<fastcnn::closing, kClosing>)));
  m.impl("morphological_gradient", FASTCNN_BOX((morphology<fastcnn::morphological_gradient, kGradient>)));
  m.impl("_erosion_index", FASTCNN_BOX((morphology<fastcnn::erosion_index, kErosion, true>)));
  m.impl("_dilation_index", FASTCNN_BOX((morphology<fastcnn::dilation_index, kDilation, true>)));
}

}  // namespace fastcnn::torch_bridge
