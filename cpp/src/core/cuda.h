// Where libfastcnn_cuda leaves its kernels for the core, which does not know it.
#pragma once

#include <atomic>

#include "fastcnn/context.h"
#include "fastcnn/error.h"

namespace fastcnn {

FASTCNN_API void set_has_cuda_kernels();

/// A kernel's launch, for a family's header to declare and its source to define. The .cu that has it fills it when it
/// is loaded: `const CudaLaunch<...>::Filled filled(erosion_launch, launch_erosion);`
template <class Signature>
class CudaLaunch {
 public:
  struct Filled {
    Filled(CudaLaunch& launch, Signature* function) {
      launch.function_ = function;
      set_has_cuda_kernels();
    }
  };

  /// The launch; an error that names the op where no kernels are loaded.
  Signature* get(const char* op) const {
    Signature* const function = function_;
    if (!function) detail::fail(ErrorKind::unsupported, op, ": no CUDA kernels are loaded");
    return function;
  }

 private:
  std::atomic<Signature*> function_{nullptr};
};

}  // namespace fastcnn
