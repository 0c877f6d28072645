// One box against many. The decision uses the quotient, in the order of operations of torchvision's kernel. It is
// computed only if a test without a division is not certain: I / (A + B - I) > t where I > t / (1 + t) * (A + B).
#include <stdint.h>

#include "core/simd.h"
#include "ops/boxes/nms_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

/// A box in all lanes.
template <class T>
struct Query {
  using V = Vec<T>;
  explicit FASTCNN_INLINE Query(const boxes::NmsQuery<T>& box)
      : x1(splat(box.x1)),
        y1(splat(box.y1)),
        x2(splat(box.x2)),
        y2(splat(box.y2)),
        area(splat(box.area)),
        threshold(splat(box.threshold)),
        near(splat(box.near)),
        sure(splat(box.sure)) {}

  /// The lanes that overlap by more than the threshold, as bits.
  FASTCNN_INLINE uint32_t overlapping(const boxes::BoxArrays<T>& boxes, int64_t i) const {
    const V zero = {}, both = load(boxes.area + i) + area;
    const V width = vmax(zero, vmin(x2, load(boxes.x2 + i)) - vmax(x1, load(boxes.x1 + i)));
    // If this is negative, the product is too.
    const V height = vmin(y2, load(boxes.y2 + i)) - vmax(y1, load(boxes.y1 + i));
    const V shared = width * height;
    const uint32_t may = bits_above<true, T>(shared, near * both), must = bits_above<true, T>(shared, sure * both);
    if (__builtin_expect(may == must, 1)) return must;
    return must | (may & bits_above<false, T>(shared / (both - shared), threshold));
  }

  V x1, y1, x2, y2, area, threshold, near, sure;
};

template <class T>
bool any_of(const boxes::BoxArrays<T>& boxes, int64_t n, const boxes::NmsQuery<T>& box) {
  const Query<T> query(box);
  for (int64_t i = 0; i < n; i += lanes<T>) {
    const uint32_t found = query.overlapping(boxes, i);
    if (found == 0) continue;
    if (n - i >= lanes<T> || (found & ((1u << (n - i)) - 1)) != 0) return true;
  }
  return false;
}

template <class T>
void mark(const boxes::BoxArrays<T>& boxes, int64_t first, int64_t n, const boxes::NmsQuery<T>& box, uint64_t* bits) {
  const Query<T> query(box);
  int64_t i = first / lanes<T> * lanes<T>;
  while (i < n) {
    const int64_t word = i / 64, end = n < 64 * word + 64 ? n : 64 * word + 64;
    uint64_t found = 0;
    for (; i < end; i += lanes<T>) found |= uint64_t(query.overlapping(boxes, i)) << (i % 64);
    if (n % 64 != 0 && end == n) found &= (uint64_t(1) << (n % 64)) - 1;
    bits[word] |= found;
  }
}

}  // namespace

extern const NmsKernels nms_kernels = {{any_of<float>, mark<float>}, {any_of<double>, mark<double>}};

}  // namespace fastcnn::FASTCNN_ISA
