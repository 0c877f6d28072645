// Ops with CUDA kernels: their context and their registration.
#pragma once

#include "bridge.h"

namespace fastcnn::torch_bridge {

/// f(context) with the stream and the memory of the tensor's device.
void run_on_cuda(const char* op, const Tensor& first, FunctionRef<void(const Context&)> f);

/// Registers implementations for CUDA if libfastcnn_cuda was loaded before this library.
class CudaRegistration {
 public:
  template <class F>
  explicit CudaRegistration(F&& implement) {
    if (!has_cuda_kernels()) return;
    library_.emplace(torch::stable::detail::StableLibrary::Kind::IMPL, "fastcnn", "CUDA", __FILE__, __LINE__);
    implement(*library_);
  }

 private:
  std::optional<torch::stable::detail::StableLibrary> library_;
};

}  // namespace fastcnn::torch_bridge
