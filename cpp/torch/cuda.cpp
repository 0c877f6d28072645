// Kernels on CUDA tensors: they use torch's current stream, and scratch memory of torch's allocator, which reuses
// memory in stream order.
#include "cuda.h"

#include <torch/csrc/stable/accelerator.h>

#if defined(__linux__)
// In libtorch_cuda, which a CPU build of torch lacks.
extern "C" __attribute__((weak, visibility("default"))) AOTITorchError
aoti_torch_get_current_cuda_stream(int32_t device, void** stream);
#endif

namespace fastcnn::torch_bridge {
namespace {

class CudaContext final : public Context {
 public:
  explicit CudaContext(const Tensor& like) : like_(like) {}
  int num_threads() const override { return 1; }
  void parallel_for(int64_t begin, int64_t end, int64_t, FunctionRef<void(int64_t, int64_t)> body) const override {
    if (begin < end) body(begin, end);
  }
  void* allocate(size_t bytes) const override {
    blocks_.push_back(torch::stable::new_empty(like_, {static_cast<int64_t>(bytes)}, ScalarType::Byte));
    return blocks_.back().mutable_data_ptr();
  }
  // With the context.
  void release(void*) const noexcept override {}

 private:
  const Tensor& like_;
  mutable std::vector<Tensor> blocks_;
};

}  // namespace

void run_on_cuda(const char* op, const Tensor& first, FunctionRef<void(const Context&)> f) {
#if defined(__linux__)
  if (aoti_torch_get_current_cuda_stream) {
    const int32_t device = first.get_device_index();
    const torch::stable::accelerator::DeviceGuard guard(device);
    CudaContext context(first);
    STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(device, &context.stream));
    return f(context);
  }
#endif
  detail::fail(ErrorKind::unsupported, op, ": this torch has no CUDA");
}

}  // namespace fastcnn::torch_bridge
