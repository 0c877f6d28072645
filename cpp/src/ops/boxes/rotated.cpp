#include "ops/boxes/rotated.h"

#include <algorithm>
#include <cmath>

#include "fastcnn/ops/boxes.h"
#include "ops/boxes/box_checks.h"
#include "ops/boxes/score_order.h"

namespace fastcnn {
namespace boxes {
namespace {

constexpr double kRadians = 3.14159265358979323846 / 180;

struct Point {
  double x, y;
};

/// Half the box's sides as vectors.
struct Axes {
  explicit Axes(const Rotated& box) {
    const double cosine = std::cos(box.angle * kRadians) / 2, sine = std::sin(box.angle * kRadians) / 2;
    u = {cosine * box.width, -sine * box.width};
    v = {sine * box.height, cosine * box.height};
  }
  Point u, v;
};

/// Clips a polygon to the part where side(point) >= 0. Returns the number of its corners.
template <class Side>
int clip(const Point* from, int n, Point* to, const Side& side) {
  int count = 0;
  for (int i = 0; i < n; ++i) {
    const Point a = from[i], b = from[i + 1 == n ? 0 : i + 1];
    const double at_a = side(a), at_b = side(b);
    if (at_a >= 0) to[count++] = a;
    if ((at_a >= 0) != (at_b >= 0)) {
      const double t = at_a / (at_a - at_b);
      to[count++] = {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
    }
  }
  return count;
}

}  // namespace

bool Rotated::is_proper() const {
  const double area = width * height;
  return width > 0 && height > 0 && area > 0 && std::isfinite(area) && std::isfinite(cx) && std::isfinite(cy) &&
         std::isfinite(angle);
}

BoxExtent Rotated::extent() const {
  const Axes axes(*this);
  return {cx, cy, 2 * (std::abs(axes.u.x) + std::abs(axes.v.x)), 2 * (std::abs(axes.u.y) + std::abs(axes.v.y))};
}

double rotated_iou(const Rotated& a, const Rotated& b) {
  // In the coordinate system of b's sides, b is the square [-1, 1], so each clip is at a constant.
  const Axes of_a(a), of_b(b);
  const double uu = of_b.u.x * of_b.u.x + of_b.u.y * of_b.u.y, vv = of_b.v.x * of_b.v.x + of_b.v.y * of_b.v.y;
  const double dx = a.cx - b.cx, dy = a.cy - b.cy;
  Point polygon[8], other[8];
  constexpr double kCorners[4][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}};
  for (int i = 0; i < 4; ++i) {
    const double x = dx + kCorners[i][0] * of_a.u.x + kCorners[i][1] * of_a.v.x;
    const double y = dy + kCorners[i][0] * of_a.u.y + kCorners[i][1] * of_a.v.y;
    polygon[i] = {(x * of_b.u.x + y * of_b.u.y) / uu, (x * of_b.v.x + y * of_b.v.y) / vv};
  }
  int n = clip(polygon, 4, other, [](Point p) { return 1 - p.x; });
  n = clip(other, n, polygon, [](Point p) { return 1 + p.x; });
  n = clip(polygon, n, other, [](Point p) { return 1 - p.y; });
  n = clip(other, n, polygon, [](Point p) { return 1 + p.y; });
  double twice = 0;
  for (int i = 1; i + 1 < n; ++i)
    twice += (polygon[i].x - polygon[0].x) * (polygon[i + 1].y - polygon[0].y) -
             (polygon[i + 1].x - polygon[0].x) * (polygon[i].y - polygon[0].y);
  const double area_a = a.width * a.height, area_b = b.width * b.height;
  const double shared = std::min(std::abs(twice) / 8 * area_b, std::min(area_a, area_b));
  return shared / (area_a + area_b - shared);
}

namespace {

std::vector<Rotated> read(const TensorView& boxes) {
  std::vector<Rotated> list(static_cast<size_t>(boxes.shape[0]));
  visit(FloatTypes{}, dtype_of(boxes), [&](auto tag) {
    const Rows<typename decltype(tag)::type> row(boxes, 0);
    for (size_t i = 0; i < list.size(); ++i) list[i] = rotated_at(row, static_cast<int64_t>(i));
  });
  return list;
}

}  // namespace
}  // namespace boxes

using namespace boxes;

void box_iou_rotated(const Context& context, const TensorView& boxes1, const TensorView& boxes2,
                     const TensorView& dst) {
  constexpr char op[] = "box_iou_rotated";
  check_boxes(boxes1, 5, false, op, "boxes1");
  check_boxes(boxes2, 5, false, op, "boxes2");
  const std::vector<Rotated> a = read(boxes1), b = read(boxes2);
  const auto m = static_cast<int64_t>(b.size());
  visit(FloatTypes{}, dtype_of(dst), [&](auto tag) {
    using T = typename decltype(tag)::type;
    context.parallel_for(0, static_cast<int64_t>(a.size()), 4, [&](int64_t i, int64_t end) {
      for (; i < end; ++i) {
        const Rotated& first = a[static_cast<size_t>(i)];
        const bool proper = first.is_proper();
        const BoxExtent e = first.extent();
        for (int64_t j = 0; j < m; ++j) {
          const Rotated& second = b[static_cast<size_t>(j)];
          double value = 0;
          if (proper && second.is_proper()) {
            const BoxExtent f = second.extent();
            if (2 * std::abs(e.x - f.x) < e.width + f.width && 2 * std::abs(e.y - f.y) < e.height + f.height)
              value = rotated_iou(first, second);
          }
          dst.as<T>()[i * m + j] = converted<T>(value);
        }
      }
    });
  });
}

std::vector<int64_t> nms_rotated(const Context& context, const TensorView& boxes, const TensorView& scores,
                                 double iou_threshold) {
  constexpr char op[] = "nms_rotated";
  check_boxes(boxes, 5, false, op);
  check_scores(scores, boxes, op);
  check_threshold(iou_threshold, op);
  const int64_t n = boxes.shape[0];
  const std::vector<Rotated> list = read(boxes);
  Scratch scratch(context);
  int64_t* order = scratch.get<int64_t>(n);
  visit(FloatTypes{}, dtype_of(scores), [&](auto tag) {
    using S = typename decltype(tag)::type;
    auto* values = scratch.get<Computed<S>>(n);
    for (int64_t i = 0; i < n; ++i) values[i] = static_cast<Computed<S>>(scores.as<S>()[i * scores.stride(0)]);
    order_by_score(values, n, order, context);
  });
  const auto box = [&](int64_t i) -> const Rotated& { return list[static_cast<size_t>(i)]; };
  int64_t *proper = scratch.get<int64_t>(n), *slots = scratch.get<int64_t>(n), count = 0;
  BoxExtent* extents = scratch.get<BoxExtent>(n);
  for (int64_t k = 0; k < n; ++k)
    if (box(order[k]).is_proper()) {
      extents[count] = box(order[k]).extent();
      proper[count++] = order[k];
    }
  bool* keep = scratch.get<bool>(n);
  std::fill_n(keep, n, true);
  if (count > 0) {
    BoxGrid grid(count, 0, scratch.get<int64_t>(BoxGrid::cells_for(n)), scratch.get<int64_t>(BoxGrid::cells_for(n)),
                 [&](int64_t k) { return extents[k]; });
    for (int64_t k = 0; k < count; ++k) {
      const BoxExtent& e = extents[k];
      const Rotated& candidate = box(proper[k]);
      keep[proper[k]] = !grid.any(e, [&](int64_t slot, int64_t kept) {
        return std::any_of(slots + slot, slots + slot + kept, [&](int64_t rank) {
          const BoxExtent& f = extents[rank];
          return 2 * std::abs(e.x - f.x) < e.width + f.width && 2 * std::abs(e.y - f.y) < e.height + f.height &&
                 rotated_iou(box(proper[rank]), candidate) > iou_threshold;
        });
      });
      if (keep[proper[k]]) slots[grid.insert(e)] = k;
    }
  }
  std::vector<int64_t> kept;
  for (int64_t k = 0; k < n; ++k)
    if (keep[order[k]]) kept.push_back(order[k]);
  return kept;
}

}  // namespace fastcnn
