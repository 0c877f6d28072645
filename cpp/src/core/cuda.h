// Table in which libfastcnn_cuda registers its kernels. The core does not depend on that library.
#pragma once

#include <atomic>

#include "fastcnn/context.h"
#include "fastcnn/error.h"

namespace fastcnn {

FASTCNN_API void set_has_cuda_kernels();

/// The launch function of a kernel. A family's header declares it and its source defines it. The .cu file with the
/// kernel fills it when it is loaded: `const CudaLaunch<...>::Filled filled(erosion_launch, launch_erosion);`
template <class Signature>
class CudaLaunch {
 public:
  struct Filled {
    Filled(CudaLaunch& launch, Signature* function) {
      launch.function_ = function;
      set_has_cuda_kernels();
    }
  };

  /// Returns the launch function; an error that names the op if no kernels are loaded.
  Signature* get(const char* op) const {
    Signature* const function = function_;
    if (!function) detail::fail(ErrorKind::unsupported, op, ": no CUDA kernels are loaded");
    return function;
  }

 private:
  std::atomic<Signature*> function_{nullptr};
};

}  // namespace fastcnn
