#include "fastcnn/ops/morphology.h"

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

using Kernel = decltype(fastcnn::erosion);

template <Kernel* kernel>
Tensor extremum(const Tensor& image, const std::vector<int64_t>& size, const std::optional<Tensor>& footprint,
                const std::string& border, double value, const char* op) {
  FASTCNN_CHECK(size.size() == 2 || size.size() == 3, op, ": expected a footprint of 2 or 3 dimensions, got ",
                size.size());
  Footprint member;
  member.width = size[size.size() - 1];
  member.height = size[size.size() - 2];
  if (size.size() == 3) member.depth = size[0];
  if (footprint) {
    const TensorView mask = view(*footprint);
    FASTCNN_CHECK(dtype_of(mask) == DType::boolean && is_dense(mask) && mask.device.type == kCpu &&
                      mask.numel() == member.depth * member.height * member.width,
                  op, ": expected footprint to be a dense bool tensor on the CPU of the given size");
    member.mask = mask.as<uint8_t>();
  }
  Tensor result = new_result(image);
  kernel(context(), view(image), static_cast<int>(size.size()), member, border_from(border.c_str(), op), value,
         view(result));
  return result;
}

Tensor erosion(const Tensor& image, const std::vector<int64_t>& size, const std::optional<Tensor>& footprint,
               const std::string& border, double value) {
  return extremum<fastcnn::erosion>(image, size, footprint, border, value, "erosion");
}
Tensor dilation(const Tensor& image, const std::vector<int64_t>& size, const std::optional<Tensor>& footprint,
                const std::string& border, double value) {
  return extremum<fastcnn::dilation>(image, size, footprint, border, value, "dilation");
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("erosion(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor");
  m.def("dilation(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("erosion", FASTCNN_BOX(erosion));
  m.impl("dilation", FASTCNN_BOX(dilation));
}

}  // namespace fastcnn::torch_bridge
