// The positions of kept boxes: grids of their centres, one for each range of sizes, so that a box is compared only with
// boxes near it and of similar size. No box that can overlap by more than the threshold is missed:
//
//   IoU <= min(w, w') / max(w, w'), so that widths (and heights, and longer sides) differ by less than 1 / threshold;
//   the centres' distance along x is at most (w + w') / 2 - IoU * max(w, w'), greatest at w' = w (IoU >= 1/2) or at
//   w' = w / IoU.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops/boxes/box_list.h"

namespace fastcnn::boxes {

/// A box's extent, in doubles.
struct BoxExtent {
  double x, y, width, height;  ///< of its centre; its sides
  double side() const { return std::max(width, height); }
};

template <class T>
BoxExtent extent_of(const BoxList<T>& boxes, int64_t i) {
  const double x1 = boxes.x1[i], y1 = boxes.y1[i], x2 = boxes.x2[i], y2 = boxes.y2[i];
  return {x1 / 2 + x2 / 2, y1 / 2 + y2 / 2, x2 - x1, y2 - y1};
}

/// At most 2 n cells for n boxes. A slot is the position of the data of a kept box; the slots of one cell are adjacent.
class BoxGrid {
 public:
  static int64_t cells_for(int64_t n) { return 2 * n; }

  /// For boxes with the extents extent(0..n-1), and overlaps above `minimum` (slightly less than the threshold). starts
  /// and counts: cells_for(n) values each.
  template <class F>
  BoxGrid(int64_t n, double minimum, int64_t* starts, int64_t* counts, const F& extent)
      : min_(minimum), starts_(starts), counts_(counts) {
    int top = std::numeric_limits<int>::min();
    for (int64_t i = 0; i < n; ++i) top = std::max(top, class_of(extent(i).side()));
    top_ = top;
    for (int64_t i = 0; i < n; ++i) levels_[level_of(extent(i))].add(extent(i));
    int64_t cells = 0;
    for (Level& level : levels_) cells = level.lay_out(cells);
    std::fill_n(counts_, cells, 0);
    for (int64_t i = 0; i < n; ++i) ++counts_[cell_of(extent(i))];
    int64_t slot = 0;
    for (int64_t c = 0; c < cells; ++c) {
      starts_[c] = slot;
      slot += counts_[c];
      counts_[c] = 0;
    }
  }

  /// The slot for a box that is kept.
  int64_t insert(const BoxExtent& box) {
    const int64_t cell = cell_of(box);
    return starts_[cell] + counts_[cell]++;
  }

  /// True if visit(first slot, slots) is true for a cell whose boxes may overlap this one.
  template <class F>
  bool any(const BoxExtent& box, const F& visit) const {
    const double spread = std::max(1 - min_, (1 / min_ - 1) / 2);  // infinite where the threshold is 0
    for (const Level& level : levels_) {
      if (level.count == 0 || level.max_side < min_ * box.side() || level.min_side * min_ > box.side()) continue;
      // Never wider than both halves, with a small margin for the rounding of centres.
      const double rx = std::min(box.width * spread, (box.width + level.max_width) / 2) + level.slack;
      const double ry = std::min(box.height * spread, (box.height + level.max_height) / 2) + level.slack;
      const int64_t left = level.column(box.x - rx), right = level.column(box.x + rx);
      const int64_t top = level.row(box.y - ry), bottom = level.row(box.y + ry);
      for (int64_t y = top; y <= bottom; ++y)
        for (int64_t x = left; x <= right; ++x) {
          const int64_t cell = level.first + y * level.columns + x;
          if (counts_[cell] > 0 && visit(starts_[cell], counts_[cell])) return true;
        }
    }
    return false;
  }

 private:
  struct Level {
    int64_t count = 0, first = 0, columns = 0, rows = 0;
    double x1 = 0, y1 = 0, x2 = 0, y2 = 0;  ///< of the centres
    double min_side = 0, max_side = 0, max_width = 0, max_height = 0, per_cell = 0, slack = 0;

    void add(const BoxExtent& box) {
      const double side = box.side();
      if (count++ == 0) x1 = x2 = box.x, y1 = y2 = box.y, min_side = side;
      x1 = std::min(x1, box.x), x2 = std::max(x2, box.x);
      y1 = std::min(y1, box.y), y2 = std::max(y2, box.y);
      min_side = std::min(min_side, side), max_side = std::max(max_side, side);
      max_width = std::max(max_width, box.width), max_height = std::max(max_height, box.height);
    }
    /// The cell size is half the largest side, or larger if there would be more than two cells per box.
    int64_t lay_out(int64_t next) {
      first = next;
      if (count == 0) return next;
      slack = 1e-12 * (std::abs(x1) + std::abs(x2) + std::abs(y1) + std::abs(y2) + max_side);
      double cell = max_side / 2;
      // Uses halves because the difference of two doubles may not be finite.
      const auto across = [&] { return std::floor((x2 / 2 - x1 / 2) / (cell / 2)) + 1; };
      const auto down = [&] { return std::floor((y2 / 2 - y1 / 2) / (cell / 2)) + 1; };
      while (across() * down() > static_cast<double>(2 * count)) cell *= 1.5;
      columns = static_cast<int64_t>(across()), rows = static_cast<int64_t>(down());
      per_cell = 1 / cell;
      return first + columns * rows;
    }
    // Increasing functions of the coordinate, so that a value between two bounds is in a cell between theirs.
    int64_t column(double x) const { return at((x - x1) * per_cell, columns); }
    int64_t row(double y) const { return at((y - y1) * per_cell, rows); }
    static int64_t at(double cell, int64_t n) {
      return cell > 0 ? cell < static_cast<double>(n) ? static_cast<int64_t>(cell) : n - 1 : 0;
    }
  };

  /// Each range covers a factor of four in size.
  static int class_of(double side) { return std::ilogb(side) >> 1; }
  int level_of(const BoxExtent& box) const { return std::min(top_ - class_of(box.side()), kLevels - 1); }
  int64_t cell_of(const BoxExtent& box) const {
    const Level& level = levels_[level_of(box)];
    return level.first + level.row(box.y) * level.columns + level.column(box.x);
  }

  static constexpr int kLevels = 12;
  double min_;
  int64_t *starts_, *counts_;
  int top_ = 0;
  Level levels_[kLevels];
};

}  // namespace fastcnn::boxes
