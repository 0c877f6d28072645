#include "bindings/front.h"
#include "fastcnn/ops/morphology.h"

namespace fastcnn::bindings {

/// The footprint stays on the CPU, wherever the image is.
inline Footprint footprint_of(const char* op, const Sizes& size, const std::optional<TensorView>& mask) {
  FASTCNN_CHECK(size.size() == 2 || size.size() == 3, op, ": expected a footprint of 2 or 3 dimensions, got ",
                size.size());
  Footprint member;
  member.width = size[size.size() - 1];
  member.height = size[size.size() - 2];
  if (size.size() == 3) member.depth = size[0];
  if (mask) {
    FASTCNN_CHECK(dtype_of(*mask) == DType::boolean && is_dense(*mask) && mask->device.type == kCpu &&
                      mask->numel() == member.depth * member.height * member.width,
                  op, ": expected footprint to be dense, bool, on the CPU and of the given size");
    member.mask = mask->as<uint8_t>();
  }
  return member;
}

using MorphologyKernel = decltype(fastcnn::erosion);

/// All seven take the same arguments.
template <MorphologyKernel* kernel, class Front, class Array = typename Front::Array>
Array over_window(const char* op, const Array& image, const Sizes& size, const std::optional<Array>& footprint,
                  const std::string& border, double value) {
  constexpr bool index = kernel == fastcnn::erosion_index || kernel == fastcnn::dilation_index;
  constexpr bool on_device = kernel == fastcnn::erosion || kernel == fastcnn::dilation;
  Front front(op);
  const auto src = front.view(image, "image");
  const auto mask = front.view(footprint, "footprint");
  const Footprint member = footprint_of(op, size, mask);
  const Border outside = border_from(border.c_str(), op);
  const auto result = front.result(shape_of(src), index ? DType::int64 : dtype_of(src));
  const auto run = [&](const Context& context) {
    kernel(context, src, static_cast<int>(size.size()), member, outside, value, result.view());
  };
  if constexpr (on_device)
    front.run_on_device(run);
  else
    front.run(run);
  return result.array();
}

#define FASTCNN_OVER_WINDOW(name, kernel, op)                                                                         \
  template <class Front, class Array = typename Front::Array>                                                         \
  Array name(const Array& image, const Sizes& size, const std::optional<Array>& footprint, const std::string& border, \
             double value) {                                                                                          \
    return over_window<fastcnn::kernel, Front>(op, image, size, footprint, border, value);                            \
  }
FASTCNN_OVER_WINDOW(erosion, erosion, "erosion")
FASTCNN_OVER_WINDOW(dilation, dilation, "dilation")
FASTCNN_OVER_WINDOW(opening, opening, "opening")
FASTCNN_OVER_WINDOW(closing, closing, "closing")
FASTCNN_OVER_WINDOW(morphological_gradient, morphological_gradient, "morphological_gradient")
FASTCNN_OVER_WINDOW(_erosion_index, erosion_index, "erosion")
FASTCNN_OVER_WINDOW(_dilation_index, dilation_index, "dilation")
#undef FASTCNN_OVER_WINDOW

}  // namespace fastcnn::bindings

#define FASTCNN_WINDOW "(Tensor image, SymInt[] size, Tensor? footprint, str border, float value) -> Tensor"
#define FASTCNN_OPS(OP, TORCH_OP, DEVICE_OP) \
  DEVICE_OP(erosion, FASTCNN_WINDOW)         \
  DEVICE_OP(dilation, FASTCNN_WINDOW)        \
  OP(opening, FASTCNN_WINDOW)                \
  OP(closing, FASTCNN_WINDOW)                \
  OP(morphological_gradient, FASTCNN_WINDOW) \
  TORCH_OP(_erosion_index, FASTCNN_WINDOW)   \
  TORCH_OP(_dilation_index, FASTCNN_WINDOW)
