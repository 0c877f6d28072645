#include "ops/morphology/footprint.h"

#include <algorithm>

#include "ops/morphology/border.h"

namespace fastcnn {
namespace {

/// The offsets in [-before, size - 1 - before] that can have a distinct effect on an axis of n pixels. A geodesic
/// window sees nothing beyond the axis; with a continued border it sees every pixel, and the outside, within two axis
/// lengths.
Span reach(int64_t size, bool maximum, Border border, int64_t n) {
  const int64_t before = window_start(size, maximum), limit = border == Border::geodesic ? n - 1 : 2 * n;
  return {std::min(before, limit), std::min(size - 1 - before, limit)};
}

void include(Span& span, int64_t offset) {
  span.before = std::max(span.before, -offset);
  span.after = std::max(span.after, offset);
}

}  // namespace

Window make_window(const Footprint& f, bool maximum, Border border, const Extent& e, const char* op) {
  FASTCNN_CHECK(f.depth > 0 && f.height > 0 && f.width > 0, op, ": expected a footprint of positive size, got (",
                f.depth, ", ", f.height, ", ", f.width, ")");
  const int64_t count = f.mask ? f.depth * f.height * f.width : 0;  // a box may be as large as it likes
  Window window;
  if (!f.mask || std::all_of(f.mask, f.mask + count, [](uint8_t member) { return member != 0; })) {
    window.z = reach(f.depth, maximum, border, e.depth);
    window.y = reach(f.height, maximum, border, e.height);
    window.x = reach(f.width, maximum, border, e.width);
    return window;
  }
  const bool any = std::any_of(f.mask, f.mask + count, [](uint8_t member) { return member != 0; });
  FASTCNN_CHECK(any, op, ": expected a footprint with a member, got none in (", f.depth, ", ", f.height, ", ", f.width,
                ")");
  // Visits the members' offsets in raster order of the window.
  const auto each = [&](const auto& visit) {
    const int64_t z0 = window_start(f.depth, maximum), y0 = window_start(f.height, maximum),
                  x0 = window_start(f.width, maximum);
    for (int64_t i = 0; i < count; ++i) {
      if (!f.mask[maximum ? count - 1 - i : i]) continue;
      const int64_t z = i / (f.height * f.width) - z0, y = i / f.width % f.height - y0, x = i % f.width - x0;
      const auto beyond = [](int64_t offset, int64_t n) { return offset <= -n || offset >= n; };
      if (border == Border::geodesic && (beyond(z, e.depth) || beyond(y, e.height) || beyond(x, e.width))) continue;
      visit(z, y, x);
    }
  };
  int64_t kept = 0;
  each([&](int64_t z, int64_t y, int64_t x) {
    include(window.z, z);
    include(window.y, y);
    include(window.x, x);
    ++kept;
  });
  window.empty = kept == 0;
  const int64_t rows = window.y.size(), columns = window.x.size();
  window.box = kept == window.z.size() * rows * columns;
  if (window.box || window.empty) return window;
  window.members.resize(static_cast<size_t>(window.z.size() * rows * columns));
  each([&](int64_t z, int64_t y, int64_t x) {
    const int64_t at = ((z + window.z.before) * rows + y + window.y.before) * columns + x + window.x.before;
    window.members[static_cast<size_t>(at)] = 1;
  });
  return window;
}

ChordTable make_chords(const Window& window, int64_t plane) {
  const int64_t rows = window.y.size(), columns = window.x.size();
  const uint8_t* member = window.members.data() + plane * rows * columns;
  struct Run {
    int64_t row, column, length;
  };
  std::vector<Run> runs;
  std::vector<int64_t> wanted;
  for (int64_t row = 0; row < rows; ++row, member += columns)
    for (int64_t begin = 0, end; begin < columns; begin = end + 1) {
      for (end = begin; end < columns && member[end]; ++end) continue;
      if (end == begin) continue;
      runs.push_back({row, begin, end - begin});
      wanted.push_back(end - begin);
    }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());

  ChordTable table;
  table.lengths.push_back({1, 0, 0, 0, 0});
  // Each length is computed from the previous one. If the previous one is less than half as long, intermediate lengths
  // are inserted.
  for (const int64_t length : wanted) {
    std::vector<int64_t> steps;
    for (int64_t step = length; step > table.lengths.back().length; step = (step + 1) / 2) {
      steps.push_back(step);
      if (step <= 2 * table.lengths.back().length) break;
    }
    for (size_t i = steps.size(); i-- > 0;) {
      const auto from = static_cast<int32_t>(table.lengths.size() - 1);
      table.lengths.push_back({steps[i], steps[i] - table.lengths.back().length, 0, 0, from});
    }
  }
  for (const Run& run : runs) {
    size_t i = 0;
    while (table.lengths[i].length != run.length) ++i;
    ChordLength& length = table.lengths[i];
    if (length.depth == 0) {
      // The first run of a length is the topmost. Its row must be kept until the last row of the window is available.
      length.depth = rows - run.row;
      length.align = run.column;
    }
    table.chords.push_back({run.row, run.column, static_cast<int32_t>(i)});
  }
  for (const ChordLength& length : table.lengths) table.rows_kept += std::max<int64_t>(1, length.depth);
  return table;
}

}  // namespace fastcnn
