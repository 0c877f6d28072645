// Computes labels from level and generation: first parents, then the trees below the markers.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "core/image_batch.h"
#include "fastcnn/context.h"
#include "ops/flooding/neighborhood.h"
#include "ops/flooding/row_window.h"
#include "ops/flooding/watershed_flood.h"

namespace fastcnn {

/// Calls body(first row, end) in parallel; row z * height + y.
template <class F>
void for_rows(const Context& context, const Extent& e, const F& body) {
  context.parallel_for(0, e.depth * e.height, std::max<int64_t>(1, (1 << 14) / e.width), body);
}

/// Roots get no parent. Returns true if all pixels were reached.
inline bool settle_roots(const uint8_t* __restrict found, const uint8_t* __restrict root, int64_t n,
                         uint8_t* __restrict parent) {
  uint8_t unreached = 0;
  for (int64_t x = 0; x < n; ++x) {
    unreached |= static_cast<uint8_t>(found[x] == kNoParent);
    parent[x] = static_cast<uint8_t>(found[x] | -root[x]);
  }
  return !unreached;
}

/// The parent of each pixel as an index into the neighbours; kNoParent for markers and for unreached pixels. Labels of
/// unreached pixels become 0; `seed` sets the labels of roots, and 0 for all others.
template <class K, class Label>
void find_parents(const Context& context, const FloodKernels<K>& kernels, const Extent& e,
                  const Neighborhood& neighbors, const Flooded<K>& flooded, const Roots& roots, const Label* markers,
                  bool seed, uint8_t* parent, Label* labels) {
  const K outside = static_cast<K>(~K(0) - (flooded.generation ? 0 : 1));
  for_rows(context, e, [&](int64_t begin, int64_t end) {
    Scratch scratch(context);
    RowWindow<K> levels(scratch, flooded.level, e, outside);
    RowWindow<K> generations(scratch, flooded.generation ? flooded.generation : flooded.level, e, outside);
    uint8_t* found = scratch.get<uint8_t>(e.width);
    uint8_t* root = scratch.get<uint8_t>(e.width);
    for (int64_t row = begin; row < end; ++row) {
      const int64_t z = row / e.height, y = row % e.height, first = row * e.width;
      kernels.parent(levels.at(z, y), flooded.generation ? &generations.at(z, y) : nullptr, neighbors, e.width, found);
      roots.get(row, root);
      const bool all = settle_roots(found, root, e.width, parent + first);
      if (seed || !all) std::fill(labels + first, labels + first + e.width, Label(0));
      if (seed) roots.for_each(row, [&](int64_t x) { labels[first + x] = markers[first + x]; });
    }
  });
}

/// A first-in first-out queue of (marker pixel << 32 | pixel). Its memory consists of segments from a pool that all
/// threads share. A thread reuses its segments, so that they stay in the cache.
class Frontier {
 public:
  static constexpr int64_t kAhead = 64;  // entries to prefetch ahead, which stay in the segment
  static constexpr int64_t kEntries = 1022 - kAhead;
  struct Segment {
    uint64_t* end;
    Segment* next;
    uint64_t entries[kEntries + kAhead];
  };
  struct Pool {
    Segment* segments;
    std::atomic<int64_t> used{0};
  };
  /// The number of roots that are added at a time.
  static constexpr int64_t kSeeds = 256;
  /// The number of segments that is sufficient for all threads: a pixel has at most `degree` - 1 children, which limits
  /// the share of pixels that can wait at a time.
  static int64_t segments_for(int64_t pixels, int degree, int64_t threads) {
    const int64_t waiting = pixels / (degree - 1) * (degree - 2) + 2 * degree;
    return waiting / (kEntries - degree) + 1 + threads * (4 + 2 * kSeeds / (kEntries - degree));
  }

  explicit Frontier(Pool& pool) : pool_(pool), first_(fresh()), last_(first_) { head = tail = first_->entries; }

  uint64_t* head;
  uint64_t* tail;

  /// The next position of `tail` if there is no room for `degree` entries.
  uint64_t* limit(int degree) const { return last_->entries + kEntries - degree; }
  void extend() {
    last_->end = tail;
    last_ = last_->next = fresh();
    tail = last_->entries;
  }
  /// The end of the entries that can be read contiguously from head; head itself if the queue is empty.
  uint64_t* readable() {
    while (first_ != last_) {
      if (head != first_->end) return first_->end;
      Segment* done = first_;
      first_ = done->next;
      head = first_->entries;
      done->next = free_;
      free_ = done;
    }
    if (head == tail) head = tail = first_->entries;
    return tail;
  }

 private:
  Segment* fresh() {
    Segment* segment = free_;
    if (!segment) return pool_.segments + pool_.used.fetch_add(1, std::memory_order_relaxed);
    free_ = segment->next;
    return segment;
  }
  Pool& pool_;
  Segment* free_ = nullptr;
  Segment* first_;
  Segment* last_;
};

/// Labels the descendants of the pixels in the queue. Uses one byte of child bits per pixel, and no branch that depends
/// on them.
template <class Label, int degree>
void grow_trees(Frontier& frontier, const LinearOffsets& offsets, const Label* markers, const uint8_t* child,
                Label* labels) {
  uint64_t step[degree];
  for (int i = 0; i < degree; ++i) step[i] = static_cast<uint64_t>(offsets.at[i]);
  for (;;) {
    const uint64_t* end = frontier.readable();
    uint64_t* head = frontier.head;
    if (head == end) return;
    uint64_t* tail = frontier.tail;
    uint64_t* limit = frontier.limit(degree);
    for (; head != end; ++head) {
      if (tail > limit) {
        frontier.tail = tail;
        frontier.extend();
        tail = frontier.tail;
        limit = frontier.limit(degree);
      }
      const uint32_t soon =
          static_cast<uint32_t>(head[Frontier::kAhead]);  // possibly an old entry; it is only a prefetch hint
      __builtin_prefetch(labels + soon, 1);
      __builtin_prefetch(child + soon);
      const uint64_t entry = *head;
      const uint32_t pixel = static_cast<uint32_t>(entry);
      const uint32_t bits = child[pixel];
      labels[pixel] = markers[entry >> 32];
      for (int i = 0; i < degree; ++i) {
        *tail = entry + step[i];  // no carry into the upper half: a child lies inside the image
        tail += bits >> i & 1;
      }
    }
    frontier.head = head;
    frontier.tail = tail;
  }
}

/// Labels the trees below the markers, breadth first.
template <class Label, int degree>
void label_trees(const Context& context, const Extent& e, const LinearOffsets& offsets, const Label* markers,
                 const Roots& roots, const uint8_t* child, Label* labels) {
  constexpr int64_t kBand = 8;  // rows whose trees grow together
  Scratch scratch(context);
  const int64_t rows = e.depth * e.height;
  const int64_t workers = std::min<int64_t>(context.num_threads(), (rows + kBand - 1) / kBand);
  Frontier::Pool pool;
  pool.segments = scratch.get<Frontier::Segment>(Frontier::segments_for(e.size(), degree, workers));
  std::atomic<int64_t> next{0};
  context.parallel_for(0, workers, 1, [&](int64_t, int64_t) {
    Frontier frontier(pool);
    for (int64_t band; (band = next.fetch_add(kBand, std::memory_order_relaxed)) < rows;) {
      int64_t seeds = 0;
      for (int64_t row = band; row < std::min(band + kBand, rows); ++row)
        roots.for_each(row, [&](int64_t x) {
          if (frontier.tail > frontier.limit(degree)) frontier.extend();
          *frontier.tail++ = static_cast<uint64_t>(row * e.width + x) * ((uint64_t{1} << 32) + 1);
          if (++seeds % Frontier::kSeeds == 0) grow_trees<Label, degree>(frontier, offsets, markers, child, labels);
        });
      grow_trees<Label, degree>(frontier, offsets, markers, child, labels);
    }
  });
}

/// For the 18 and 26 neighbours of a volume, whose child bits do not fit a byte: every pixel follows its parents to the
/// next labelled pixel. Threads may write to the same pixel, but they write the same label.
template <class Label>
void label_paths(const Context& context, const Extent& e, const LinearOffsets& offsets, const uint8_t* parent,
                 Label* labels) {
  context.parallel_for(0, e.size(), 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      if (parent[p] == kNoParent) continue;
      int64_t up = p;
      Label label;
      while ((label = __atomic_load_n(labels + up, __ATOMIC_RELAXED)) == 0) up += offsets.at[parent[up]];
      for (int64_t q = p; q != up; q += offsets.at[parent[q]]) __atomic_store_n(labels + q, label, __ATOMIC_RELAXED);
    }
  });
}

/// Rows of bytes, 1 for a root.
struct RootRows {
  const Roots& roots;
  void operator()(int64_t row, uint8_t* buffer) const { roots.get(row, buffer); }
};

/// If two neighbours have different labels, the one with the greater (level, generation, index) becomes 0. A marker
/// keeps its label, and the other pixel becomes 0 instead.
template <class K, class Label>
void draw_lines(const Context& context, const Extent& e, const Neighborhood& neighbors, const Flooded<K>& flooded,
                const Roots& roots, uint8_t* line, Label* labels) {
  for_rows(context, e, [&](int64_t begin, int64_t end) {
    Scratch scratch(context);
    RowWindow<K> levels(scratch, flooded.level, e, static_cast<K>(~K(0)));
    RowWindow<K> generations(scratch, flooded.generation ? flooded.generation : flooded.level, e,
                             static_cast<K>(~K(0)));
    RowWindow<Label> label_rows(scratch, labels, e, Label(0));
    RowWindow<uint8_t, RootRows> root_rows(scratch, RootRows{roots}, e, 0);
    for (int64_t row = begin; row < end; ++row) {
      const int64_t z = row / e.height, y = row % e.height, first = row * e.width;
      const RowsAround<K>& level = levels.at(z, y);
      const RowsAround<K>& generation = flooded.generation ? generations.at(z, y) : level;
      const RowsAround<Label>& label = label_rows.at(z, y);
      const RowsAround<uint8_t>& root = root_rows.at(z, y);
      for (int64_t x = 0; x < e.width; ++x) line[first + x] = 0;
      for (int i = 0; i < neighbors.count; ++i) {
        const int r = neighbors.offsets[i].row, dx = neighbors.offsets[i].dx;
        const bool before = 2 * i < neighbors.count;
        for (int64_t x = 0; x < e.width; ++x) {
          const K l = level.rows[r][x + dx], own_l = level.rows[4][x];
          const K g = generation.rows[r][x + dx], own_g = generation.rows[4][x];
          const bool smaller = (l < own_l) | ((l == own_l) & ((g < own_g) | ((g == own_g) & before)));
          line[first + x] |= (smaller | root.rows[r][x + dx]) & (label.rows[r][x + dx] != label.rows[4][x]);
        }
      }
      for (int64_t x = 0; x < e.width; ++x) line[first + x] &= !root.rows[4][x];
    }
  });
  context.parallel_for(0, e.size(), 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) labels[p] = line[p] ? Label(0) : labels[p];
  });
}

}  // namespace fastcnn
