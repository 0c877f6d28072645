// scikit-image's compact watershed (0.26): one priority queue, by value plus distance from the marker, then by age.
// P. Neubert, P. Protzel, "Compact Watershed and Preemptive SLIC", ICPR 2014. Sequential: ages depend on every step.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "core/image_batch.h"
#include "fastcnn/context.h"
#include "ops/flooding/neighborhood.h"
#include "ops/flooding/watershed_flood.h"

namespace fastcnn {

/// A binary heap exactly as in scikit-image, because its structure resolves ties between markers. Grows by blocks.
class CompactHeap {
 public:
  struct Item {
    double value;
    int64_t age;
    uint32_t pixel, source;
    bool operator<(const Item& o) const { return value != o.value ? value < o.value : age < o.age; }
  };
  /// For at most `maximum` items at a time.
  CompactHeap(Scratch& scratch, int64_t maximum)
      : scratch_(scratch), blocks_(scratch.get<Item*>((maximum >> kShift) + 1)) {}

  bool empty() const { return size_ == 0; }

  void push(const Item& item) {
    if (size_ >> kShift == block_count_) blocks_[block_count_++] = scratch_.get<Item>(int64_t{1} << kShift);
    int64_t child = size_++;
    at(child) = item;
    for (int64_t parent; child > 0 && at(child) < at(parent = (child + 1) / 2 - 1); child = parent)
      std::swap(at(child), at(parent));
  }

  Item pop() {
    const Item top = at(0);
    if (--size_ == 0) return top;
    at(0) = at(size_);
    for (int64_t i = 0, left; (left = 2 * i + 1) < size_;) {
      int64_t minimum = at(left) < at(i) ? left : i;
      if (left + 1 < size_ && at(left + 1) < at(minimum)) minimum = left + 1;
      if (minimum == i) break;
      std::swap(at(i), at(minimum));
      i = minimum;
    }
    return top;
  }

 private:
  static constexpr int kShift = 12;
  Item& at(int64_t i) { return blocks_[i >> kShift][i & ((1 << kShift) - 1)]; }
  Scratch& scratch_;
  Item** blocks_;
  int64_t block_count_ = 0, size_ = 0;
};

/// `pixel` gives the image's values.
template <class Label>
void watershed_compact(const Context& context, const Extent& e, const Neighborhood& neighbors, double compactness,
                       FunctionRef<double(int64_t)> pixel, const Label* markers, const TruthRows& mask, Label* labels) {
  Scratch scratch(context);
  CompactHeap heap(scratch, e.size() * (neighbors.count / 2 + 1));
  // NaN has no place in the order, so it floods with +inf.
  const auto value = [&](int64_t p) {
    const double v = pixel(p);
    return std::isnan(v) ? HUGE_VAL : v;
  };
  uint8_t* inside = scratch.get<uint8_t>(e.size());
  mask.get(0, e.size(), inside);
  for (int64_t p = 0; p < e.size(); ++p) {
    labels[p] = inside[p] ? markers[p] : Label(0);
    if (labels[p]) heap.push({value(p), 0, static_cast<uint32_t>(p), static_cast<uint32_t>(p)});
  }
  // The nearest neighbours first, then in raster order.
  NeighborOffset ordered[26];
  int count = 0;
  for (int steps = 1; steps <= 3; ++steps)
    for (int i = 0; i < neighbors.count; ++i) {
      const NeighborOffset o = neighbors.offsets[i];
      if ((o.row / 3 != 1) + (o.row % 3 != 1) + (o.dx != 0) == steps) ordered[count++] = o;
    }
  for (int64_t age = 1; !heap.empty();) {
    const CompactHeap::Item item = heap.pop();
    if (labels[item.pixel] && item.pixel != item.source) continue;
    labels[item.pixel] = labels[item.source];
    const int64_t x = item.pixel % e.width, y = item.pixel / e.width % e.height, z = item.pixel / e.width / e.height;
    const int64_t sx = item.source % e.width, sy = item.source / e.width % e.height,
                  sz = item.source / e.width / e.height;
    for (int i = 0; i < count; ++i) {
      const int64_t nz = z + ordered[i].row / 3 - 1, ny = y + ordered[i].row % 3 - 1, nx = x + ordered[i].dx;
      if (nz < 0 || nz >= e.depth || ny < 0 || ny >= e.height || nx < 0 || nx >= e.width) continue;
      const int64_t p = (nz * e.height + ny) * e.width + nx;
      if (!inside[p] || labels[p]) continue;
      const double dz = static_cast<double>(nz - sz), dy = static_cast<double>(ny - sy),
                   dx = static_cast<double>(nx - sx);
      const double cost = value(p) + compactness * std::sqrt(dz * dz + dy * dy + dx * dx);
      heap.push({cost < item.value ? item.value : cost, ++age, static_cast<uint32_t>(p), item.source});
    }
  }
}

}  // namespace fastcnn
