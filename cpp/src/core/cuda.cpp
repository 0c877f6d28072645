#include "core/cuda.h"

namespace fastcnn {
namespace {
std::atomic<bool> loaded{false};
}

bool has_cuda_kernels() { return loaded; }
void set_has_cuda_kernels() { loaded = true; }

}  // namespace fastcnn
