#include "ops/morphology/extremum_plan.h"

#include <algorithm>
#include <limits>

#include "core/dtypes.h"
#include "core/image_batch.h"
#include "ops/morphology/extremum.h"
#include "ops/morphology/extremum_block.h"
#include "ops/morphology/footprint.h"
#include "ops/morphology/order_key.h"

namespace fastcnn {
namespace {

// Wider windows are reduced by van Herk's algorithm: its lines along x are not coalesced, but its cost does not grow.
constexpr int64_t kTileColumns = 129;
// Limit along y and z: the direct method reads (window + 15) / 16 values per result, van Herk's algorithm two and a
// half.
constexpr int64_t kDirectWindow = 17;

int64_t mask_of(KeyFormat format, bool maximum) {
  const int64_t sign = format.is_signed ? 0 : int64_t{1} << (format.bits - 1);
  return maximum ? ~sign : sign;
}

/// True if a tile with the whole window fits and has at most twice as many rows as the result.
bool fit_tile(BoxPass& p, int element) {
  const auto rounded = [](int64_t n, int32_t largest) {
    return static_cast<int32_t>(std::min<int64_t>(largest, (n + 7) / 8 * 8));
  };
  p.tile_columns = rounded(p.width, p.columns > 65 ? 128 : 64);
  for (int32_t rows = 32; rows >= 8; rows /= 2) {
    p.tile_rows = rounded(p.height, rows);
    if (box_shared_bytes(p, element) > kSharedBytes) continue;
    return p.rows - 1 <= p.tile_rows || p.height <= p.tile_rows;
  }
  return false;
}

class Planner {
 public:
  Planner(ExtremumPlan& plan, const Extent& extent, int64_t images, const Window& window)
      : plan_(plan), e_(extent), images_(images), w_(window) {}

  void boxes() {
    BoxPass box{images_ * e_.depth, e_.height, e_.width, 1, 1, 0, 0, 0, 0};
    const bool small = w_.y.size() <= kTileColumns && w_.x.size() <= kTileColumns;
    if (small) set_rows(box), set_columns(box);
    const bool along_z = w_.z.size() > 1, along_y = w_.y.size() > 1, along_x = w_.x.size() > 1;
    if (small && (along_x || (!along_y && !along_z)) && fit_tile(box, plan_.element)) {
      add(box);
    } else {
      if (along_x && w_.x.size() <= kTileColumns) {
        box.rows = 1;
        box.before_rows = 0;
        set_columns(box);
        fit_tile(box, plan_.element);
        add(box);
      } else if (along_x) {
        axis(images_ * e_.depth * e_.height, e_.width, 1, w_.x, false);
      }
      if (along_y) axis(images_ * e_.depth, e_.height, e_.width, w_.y, w_.y.size() <= kDirectWindow);
    }
    if (along_z) axis(images_, e_.depth, e_.height * e_.width, w_.z, w_.z.size() <= kDirectWindow);
    // The last step writes the result; the steps before it alternate between the buffers.
    const size_t n = plan_.steps.size();
    for (size_t i = 0; i < n; ++i) {
      PlanStep& step = plan_.steps[i];
      step.to = (n - i) % 2 == 1 ? PlanStep::result : PlanStep::scratch;
      step.from = i == 0 ? PlanStep::image : plan_.steps[i - 1].to;
    }
    plan_.needs_scratch = n > 1;
    recode();
  }

  /// Without a member the pass only fills.
  void chords() {
    ChordPass pass = empty_pass();
    const int64_t row_parts = (w_.y.size() + kChordRows - 1) / kChordRows,
                  column_parts = (w_.x.size() + kChordColumns - 1) / kChordColumns;
    for (int64_t z = 0; !w_.empty && z < w_.z.size(); ++z)
      for (int64_t i = 0; i < row_parts; ++i)
        for (int64_t j = 0; j < column_parts; ++j)
          group(pass, z, w_.y.size() * i / row_parts, w_.y.size() * (i + 1) / row_parts, w_.x.size() * j / column_parts,
                w_.x.size() * (j + 1) / column_parts);
    add(pass);
    for (size_t i = 1; i < plan_.steps.size(); ++i) std::get<ChordPass>(plan_.steps[i].pass).accumulate = true;
    for (PlanStep& step : plan_.steps) step.decode = false;
    plan_.steps.back().decode = true;
  }

 private:
  template <class Pass>
  void add(const Pass& pass) {
    plan_.steps.push_back({pass, PlanStep::image, PlanStep::result, true, true});
  }
  void recode() {
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      plan_.steps[i].encode = i == 0;
      plan_.steps[i].decode = i + 1 == plan_.steps.size();
    }
  }
  void set_rows(BoxPass& box) const {
    box.rows = static_cast<int32_t>(w_.y.size());
    box.before_rows = static_cast<int32_t>(w_.y.before);
  }
  void set_columns(BoxPass& box) const {
    box.columns = static_cast<int32_t>(w_.x.size());
    box.before_columns = static_cast<int32_t>(w_.x.before);
  }
  void axis(int64_t outer, int64_t n, int64_t stride, const Span& span, bool direct) {
    add(AxisPass{outer, n, stride, span.size(), span.before, direct ? kAxisRun : span.size(), direct});
  }
  ChordPass empty_pass() const {
    ChordPass pass{};
    pass.images = images_;
    pass.depth = e_.depth;
    pass.height = e_.height;
    pass.width = e_.width;
    return pass;
  }

  /// Rows [top, bottom) and columns [left, right) of plane z of the window.
  void group(ChordPass& pass, int64_t z, int64_t top, int64_t bottom, int64_t left, int64_t right) {
    struct Run {
      int64_t row, column, length;
      int level;
    };
    std::vector<Run> runs;
    for (int64_t row = top; row < bottom; ++row) {
      const uint8_t* member = w_.members.data() + (z * w_.y.size() + row) * w_.x.size();
      for (int64_t begin = left, end; begin < right; begin = end + 1) {
        for (end = begin; end < right && member[end]; ++end) continue;
        if (end == begin) continue;
        int level = 0;
        while (int64_t{2} << level <= end - begin) ++level;
        runs.push_back({row, begin, end - begin, level});
      }
    }
    if (runs.empty()) return;
    std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.level < b.level; });
    // The smallest part that holds them.
    Run low = runs[0], high = runs[0];
    for (const Run& run : runs) {
      low.row = std::min(low.row, run.row);
      high.row = std::max(high.row, run.row);
      low.column = std::min(low.column, run.column);
      high.column = std::max(high.column, run.column + run.length - 1);
    }

    const int32_t used = pass.group_count ? pass.groups[pass.group_count - 1].first[kChordLevels] : 0;
    if (pass.group_count == ChordPass::kGroups || used + static_cast<int64_t>(runs.size()) > ChordPass::kChords) {
      add(pass);
      pass = empty_pass();
      return group(pass, z, top, bottom, left, right);
    }
    ChordGroup& group = pass.groups[pass.group_count++];
    group.z = z - w_.z.before;
    group.y = low.row - w_.y.before;
    group.x = low.column - w_.x.before;
    group.rows = static_cast<uint8_t>(high.row - low.row + 1);
    group.columns = static_cast<uint8_t>(high.column - low.column + 1);
    auto next = static_cast<size_t>(used);
    size_t i = 0;
    for (int level = 0; level < kChordLevels; ++level) {
      group.first[level] = static_cast<int16_t>(next);
      for (; i < runs.size() && runs[i].level == level; ++i)
        pass.chords[next++] = {static_cast<uint8_t>(runs[i].row - low.row),
                               static_cast<uint8_t>(runs[i].column - low.column),
                               static_cast<uint8_t>(runs[i].length - (int64_t{1} << level)), 0};
    }
    group.first[kChordLevels] = static_cast<int16_t>(next);
  }

  ExtremumPlan& plan_;
  Extent e_;
  int64_t images_;
  const Window& w_;
};

}  // namespace

ExtremumPlan plan_extremum(const char* op, bool maximum, const TensorView& src, int spatial_dims,
                           const Footprint& footprint, Border border, double value) {
  TensorView shape = src;
  shape.device = {};
  const BatchShape batch(shape, spatial_dims, op, "image");
  Extent extent = batch.extent;
  extent.depth = std::max<int64_t>(1, extent.depth);
  extent.height = std::max<int64_t>(1, extent.height);
  extent.width = std::max<int64_t>(1, extent.width);
  const Window window = make_window(footprint, maximum, border, extent, op);

  const DType dtype = dtype_of(src);
  const KeyFormat format = key_format(dtype);
  ExtremumPlan plan{};
  plan.op = op;
  plan.element = format.bits / 8;
  plan.floats = format.nan_count != 0;
  plan.bias = key_bias(format, maximum);
  plan.mask = mask_of(format, maximum);
  plan.border = border;
  plan.neutral = std::numeric_limits<int64_t>::max() >> (64 - format.bits);
  if (dtype == DType::boolean && !maximum) plan.neutral = 1 ^ plan.mask;
  plan.outside = plan.neutral;
  if (border == Border::constant) plan.outside = key_of_value(op, dtype, value, plan.bias) ^ plan.mask;
  visit(AllTypes{}, src, op, "image", [](auto) {});
  if (batch.count == 0) return plan;
  Planner planner(plan, extent, batch.count, window);
  window.box && !window.empty ? planner.boxes() : planner.chords();
  return plan;
}

}  // namespace fastcnn
