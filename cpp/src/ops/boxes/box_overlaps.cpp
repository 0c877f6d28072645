// Overlaps of all pairs. IoU; generalised IoU (Rezatofighi et al., 2019), which subtracts the share of the enclosing
// box that neither box covers; distance IoU (Zheng et al., 2020), which subtracts the squared distance of the centres
// over the squared diagonal of the enclosing box; complete IoU, which also subtracts a term of the aspect ratios. O(N *
// M).
#include <algorithm>
#include <cmath>

#include "fastcnn/ops/boxes.h"
#include "ops/boxes/box_checks.h"
#include "ops/boxes/box_list.h"

namespace fastcnn {
namespace {

using namespace boxes;

template <class T>
struct Pairs {
  const BoxList<T>& a;
  const BoxList<T>& b;
  const T *angles_a, *angles_b;  ///< atan(width / height), for complete IoU
  T eps;

  template <Overlap kind>
  T at(int64_t i, int64_t j) const {
    const T width = std::max(T(0), std::min(a.x2[i], b.x2[j]) - std::max(a.x1[i], b.x1[j]));
    const T height = std::max(T(0), std::min(a.y2[i], b.y2[j]) - std::max(a.y1[i], b.y1[j]));
    const T shared = width * height, all = a.area[i] + b.area[j] - shared, iou = shared / all;
    if constexpr (kind == Overlap::iou) return iou;
    const T around_x = std::max(T(0), std::max(a.x2[i], b.x2[j]) - std::min(a.x1[i], b.x1[j]));
    const T around_y = std::max(T(0), std::max(a.y2[i], b.y2[j]) - std::min(a.y1[i], b.y1[j]));
    if constexpr (kind == Overlap::generalized) {
      const T around = around_x * around_y;
      return iou - (around - all) / around;
    }
    const T diagonal = around_x * around_x + around_y * around_y + eps;
    const T dx = (a.x1[i] + a.x2[i]) / 2 - (b.x1[j] + b.x2[j]) / 2;
    const T dy = (a.y1[i] + a.y2[i]) / 2 - (b.y1[j] + b.y2[j]) / 2;
    const T distance = iou - (dx * dx + dy * dy) / diagonal;
    if constexpr (kind == Overlap::distance) return distance;
    const T angle = angles_a[i] - angles_b[j], v = T(0.40528473456935108578) * angle * angle;  // 4 / pi^2
    return distance - v / (1 - iou + v + eps) * v;
  }
};

template <class T>
BoxList<Computed<T>> read(const TensorView& boxes, int64_t image, int64_t n, Scratch& scratch,
                          Computed<T>** angles = nullptr) {
  using C = Computed<T>;
  const BoxList<C> list = BoxList<C>::in(scratch, n);
  const Rows<T> box(boxes, image);
  for (int64_t i = 0; i < n; ++i) list.set(i, box(i, 0), box(i, 1), box(i, 2), box(i, 3));
  if (angles) {
    *angles = scratch.get<C>(n);
    for (int64_t i = 0; i < n; ++i) {
      const C width = list.x2[i] - list.x1[i], height = list.y2[i] - list.y1[i];
      (*angles)[i] = width == 0 && height == 0 ? C(0) : std::atan(width / height);  // a point has none
    }
  }
  return list;
}

}  // namespace

void box_overlaps(const Context& context, const TensorView& boxes1, const TensorView& boxes2, Overlap kind, double eps,
                  const TensorView& dst) {
  constexpr char op[] = "box_iou";
  check_boxes(boxes1, 4, boxes1.ndim == 3, op, "boxes1");
  check_boxes(boxes2, 4, boxes1.ndim == 3, op, "boxes2");
  FASTCNN_CHECK(boxes1.ndim == 2 || boxes1.shape[0] == boxes2.shape[0], op, ": expected boxes2 of ", boxes1.shape[0],
                " images, got ", shape_text(boxes2));
  FASTCNN_CHECK_TYPE(dtype_of(boxes1) == dtype_of(boxes2), op, ": expected boxes2 of boxes1's dtype, ",
                     name_of(dtype_of(boxes1)), ", got ", name_of(dtype_of(boxes2)));
  const int64_t images = boxes1.ndim == 3 ? boxes1.shape[0] : 1;
  const int64_t n = boxes1.shape[boxes1.ndim - 2], m = boxes2.shape[boxes2.ndim - 2];
  visit(FloatTypes{}, dtype_of(boxes1), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Computed<T>;
    for (int64_t image = 0; image < images; ++image) {
      Scratch scratch(context);
      C *angles_a = nullptr, *angles_b = nullptr;
      const bool complete = kind == Overlap::complete;
      const BoxList<C> a = read<T>(boxes1, image, n, scratch, complete ? &angles_a : nullptr);
      const BoxList<C> b = read<T>(boxes2, image, m, scratch, complete ? &angles_b : nullptr);
      const Pairs<C> pairs{a, b, angles_a, angles_b, static_cast<C>(eps)};
      T* to = dst.as<T>() + image * n * m;
      const auto rows = [&](auto constant) {
        constexpr Overlap k = decltype(constant)::value;
        context.parallel_for(0, n, std::max<int64_t>(1, 4096 / std::max<int64_t>(1, m)), [&](int64_t i, int64_t end) {
          for (; i < end; ++i)
            for (int64_t j = 0; j < m; ++j) to[i * m + j] = converted<T>(pairs.template at<k>(i, j));
        });
      };
      switch (kind) {
        case Overlap::iou: rows(std::integral_constant<Overlap, Overlap::iou>{}); break;
        case Overlap::generalized: rows(std::integral_constant<Overlap, Overlap::generalized>{}); break;
        case Overlap::distance: rows(std::integral_constant<Overlap, Overlap::distance>{}); break;
        case Overlap::complete: rows(std::integral_constant<Overlap, Overlap::complete>{}); break;
      }
    }
  });
}

}  // namespace fastcnn
