// The oracle: greedy suppression as in torchvision's CPU kernel, operation by operation.
#include <algorithm>

#include "fastcnn/ops/boxes.h"
#include "ops/boxes/box_checks.h"
#include "ops/boxes/box_list.h"

namespace fastcnn {

std::vector<int64_t> nms_ref(const Context&, const TensorView& boxes, const TensorView& scores,
                             const TensorView* classes, double iou_threshold) {
  constexpr char op[] = "nms";
  boxes::check_boxes(boxes, 4, false, op);
  boxes::check_scores(scores, boxes, op);
  const int64_t n = boxes.shape[0];
  std::vector<int64_t> order(static_cast<size_t>(n)), kept;
  for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
  visit(FloatTypes{}, dtype_of(scores), [&](auto tag) {
    using S = typename decltype(tag)::type;
    const auto score = [&](int64_t i) { return static_cast<double>(scores.as<S>()[i * scores.stride(0)]); };
    std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
      const double a = score(i), b = score(j);
      return a != a ? b == b : a > b;
    });
  });
  const auto class_of = [&](int64_t i) {
    int64_t value = 0;
    if (classes)
      visit(IntegerTypes{}, dtype_of(*classes), [&](auto tag) {
        using C = typename decltype(tag)::type;
        value = static_cast<int64_t>(classes->as<C>()[i * classes->stride(0)]);
      });
    return value;
  };
  visit(FloatTypes{}, dtype_of(boxes), [&](auto tag) {
    using T = boxes::Computed<typename decltype(tag)::type>;
    const boxes::Rows<typename decltype(tag)::type> box(boxes, 0);
    const auto area = [&](int64_t i) -> T { return (box(i, 2) - box(i, 0)) * (box(i, 3) - box(i, 1)); };
    for (const int64_t j : order) {
      const bool suppressed = std::any_of(kept.begin(), kept.end(), [&](int64_t i) {
        if (class_of(i) != class_of(j)) return false;
        const T width = std::max(T(0), std::min(box(i, 2), box(j, 2)) - std::max(box(i, 0), box(j, 0)));
        const T height = std::max(T(0), std::min(box(i, 3), box(j, 3)) - std::max(box(i, 1), box(j, 1)));
        const T shared = width * height;
        return static_cast<double>(shared / (area(i) + area(j) - shared)) > iou_threshold;
      });
      if (!suppressed) kept.push_back(j);
    }
  });
  return kept;
}

}  // namespace fastcnn
