// Erosion and dilation of CUDA tensors. The footprint stays on the CPU: it becomes kernel arguments.
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>

#include "footprint.h"
#include "ops/morphology/erosion_cuda.h"

namespace fastcnn::torch_bridge {
namespace {

Tensor extremum(const char* op, bool maximum, const Tensor& image, const std::vector<int64_t>& size,
                const std::optional<Tensor>& footprint, const std::string& border, double value) {
  FASTCNN_CHECK_TYPE(image.is_cuda(), op, ": expected image on the GPU");
  const Footprint member = footprint_of(op, size, footprint);
  const ExtremumPlan plan = plan_extremum(op, maximum, view(image), static_cast<int>(size.size()), member,
                                          border_from(border.c_str(), op), value);

  const int32_t device = image.get_device_index();
  const torch::stable::accelerator::DeviceGuard guard(device);
  void* stream = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(device, &stream));
  // All of these belong to the current stream, and torch's allocator hands their memory on in its order.
  const Tensor source = torch::stable::contiguous(image);
  const Tensor result = new_result(image);
  std::optional<Tensor> scratch;
  if (plan.needs_scratch) scratch = new_result(image);
  launch_erosion(plan, source.const_data_ptr(), result.mutable_data_ptr(),
                 scratch ? scratch->mutable_data_ptr() : nullptr, device, stream);
  return result;
}

Tensor erosion(const Tensor& image, const std::vector<int64_t>& size, const std::optional<Tensor>& footprint,
               const std::string& border, double value) {
  return extremum("erosion", false, image, size, footprint, border, value);
}
Tensor dilation(const Tensor& image, const std::vector<int64_t>& size, const std::optional<Tensor>& footprint,
                const std::string& border, double value) {
  return extremum("dilation", true, image, size, footprint, border, value);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CUDA, m) {
  m.impl("erosion", FASTCNN_BOX(erosion));
  m.impl("dilation", FASTCNN_BOX(dilation));
}

}  // namespace fastcnn::torch_bridge
