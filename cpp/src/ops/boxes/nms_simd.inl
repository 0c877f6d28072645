// One box against many. The quotient decides, in the order of operations of torchvision's kernel; where no product
// comes near the threshold, no quotient is taken.
#include <stdint.h>

#include "core/simd.h"
#include "ops/boxes/nms_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

template <class T>
bool overlaps(const boxes::BoxArrays<T>& kept, int64_t n, const boxes::NmsQuery<T>& box) {
  using V = Vec<T>;
  constexpr int L = lanes<T>;
  const V x1 = splat(box.x1), y1 = splat(box.y1), x2 = splat(box.x2), y2 = splat(box.y2), area = splat(box.area);
  const V threshold = splat(box.threshold), near = splat(T(box.threshold * (1 - 1e-5))), zero = {};
  decltype(zero < zero) lane = {};
  for (int i = 0; i < L; ++i) lane[i] = i;
  for (int64_t i = 0; i < n; i += L) {
    const V width = vmax(vmin(x2, load(kept.x2 + i)) - vmax(x1, load(kept.x1 + i)), zero);
    const V height = vmax(vmin(y2, load(kept.y2 + i)) - vmax(y1, load(kept.y1 + i)), zero);
    const V shared = width * height, all = load(kept.area + i) + area - shared;
    auto found = (shared >= near * all) & (shared > zero);
    if (!any(found)) continue;
    if (n - i < L) {
      decltype(lane) left = {};
      for (int k = 0; k < L; ++k) left[k] = int(n - i);
      found &= lane < left;
    }
    if (any(found & (shared / all > threshold))) return true;
  }
  return false;
}

}  // namespace

extern const NmsKernels nms_kernels = {overlaps<float>, overlaps<double>};

}  // namespace fastcnn::FASTCNN_ISA
