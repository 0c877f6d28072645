// Greedy non-maximum suppression, with three methods. While each kept box suppresses many others, it is compared with
// all remaining boxes in vectors, and suppressed boxes are removed. Otherwise a box is compared with the kept boxes. If
// there are many, they are stored in a grid (box_grid.h), so that a box is compared only with boxes near it and of
// similar size: O(n log n) for scattered boxes. Several threads look up a block of boxes at a time; the remaining boxes
// of the block are decided in order. Scratch memory: about 100 bytes per box, never a matrix of pairs.
#include "fastcnn/ops/boxes.h"

#include <algorithm>
#include <atomic>

#include "ops/boxes/box_checks.h"
#include "ops/boxes/box_grid.h"
#include "ops/boxes/score_order.h"

namespace fastcnn {
namespace {

using namespace boxes;

/// The number of boxes looked up in parallel before one is added; the number of kept boxes that need no grid; and the
/// number of boxes that justifies waking other threads for every block.
constexpr int64_t kBlock = 512, kFew = 256, kMany = 32768;
/// Comparing a box with all remaining boxes costs about 0.6 cycles for each of them; looking one up in a grid costs
/// 300. The comparison is worthwhile if 1 / kSweeps of them are suppressed in kSweeps / 2 rounds.
constexpr int64_t kSweeps = 32;
/// For so few boxes, comparing all is the fastest method.
constexpr int64_t kAll = 512;

template <class T>
const NmsRows<T>& kernels_of() {
  return in_type<T>(FASTCNN_SELECT(nms_kernels));
}

/// Boxes sorted by class, then score, and what is kept of each class.
template <class T>
class Suppression {
 public:
  /// `maximum`: boxes after this number of kept boxes of a class are ignored.
  Suppression(const Context& context, int64_t n, double threshold, int64_t maximum)
      : context_(context),
        scratch_(context),
        sorted(BoxList<T>::in(scratch_, n)),
        keep(scratch_.get<bool>(n)),
        threshold_(threshold_in<T>(threshold)),
        near_(share_of(threshold_ * T(1 - 1e-5))),
        sure_(threshold_ > T(1e-5) ? share_of(threshold_ * T(1 + 1e-5)) : kNever),
        max_(maximum),
        kept_(BoxList<T>::in(scratch_, n)),
        fresh_(BoxList<T>::in(scratch_, kBlock)),
        starts_(scratch_.get<int64_t>(BoxGrid::cells_for(n))),
        counts_(scratch_.get<int64_t>(BoxGrid::cells_for(n))),
        places_(scratch_.get<int64_t>(n)) {}

  /// Suppresses within one class, positions [begin, end). Surviving boxes are moved to the front, in order.
  void operator()(int64_t begin, int64_t end, bool parallel) {
    Class c{begin, begin, begin, begin};
    for (int64_t i = begin; i < end; ++i) {
      keep[i] = !sorted.is_proper(i);
      if (keep[i]) continue;
      places_[i] = i;
      move(c.end++, i);
    }
    while (c.next < c.end && sweep(c)) continue;
    one_by_one(c);
    if (c.next < c.end) through_grid(c, parallel && c.end - c.next >= kMany);
  }

 private:
  /// Within a class, boxes [begin, kept) are kept and boxes [next, end) are undecided.
  struct Class {
    int64_t begin, kept, next, end;
  };

  const Context& context_;
  Scratch scratch_;

 public:
  BoxList<T> sorted;
  bool* keep;

 private:
  NmsQuery<T> query(int64_t i) const {
    constexpr T kTiny = sizeof(T) == 4 ? T(1e-30) : T(1e-290);  // products may be denormal, which round coarsely
    return {sorted.x1[i],   sorted.y1[i], sorted.x2[i], sorted.y2[i],
            sorted.area[i], threshold_,   near_,        sorted.area[i] > kTiny ? sure_ : kNever};
  }
  void move(int64_t to, int64_t from) {
    if (to == from) return;
    sorted.copy(to, sorted, from);
    places_[to] = places_[from];
  }
  bool is_full(const Class& c) const { return c.kept - c.begin >= max_; }
  /// The next box has been decided.
  void take(Class& c, bool is_kept) {
    keep[places_[c.next]] = is_kept;
    if (is_kept) move(c.kept++, c.next);
    ++c.next;
  }

  /// Removes the boxes that the next kept boxes suppress, while these are many; if few boxes remain, processes all.
  /// Returns false if another method is better. Requires kept == next.
  bool sweep(Class& c) {
    // Positions are counted from an aligned address; boxes there before the first one count as suppressed.
    const int64_t before = c.next % 64, base = c.next - before, n = c.end - base, words = (n + 63) / 64;
    auto* dead = reinterpret_cast<uint64_t*>(counts_ + 2 * c.begin);  // the grid does not exist yet
    std::fill_n(dead, words, uint64_t{0});
    dead[0] = (uint64_t{1} << before) - 1;
    int64_t k = before, fresh = 0, fallen = before;
    bool is_worth_it = true;
    while (k < n && is_worth_it && 2 * (fallen - before) < n - before && c.kept + fresh - c.begin < max_) {
      const int64_t last = n - before <= kAll ? n : fresh + kSweeps / 2;
      for (; k < n && fresh < last && c.kept + fresh - c.begin < max_; ++k) {
        if (dead[k / 64] >> k % 64 & 1) continue;
        keep[places_[base + k]] = true;
        ++fresh;
        // Boxes before it do not overlap it or are already suppressed.
        kernels_of<T>().mark(sorted.from(base), k, n, query(base + k), dead);
        dead[k / 64] &= ~(uint64_t{1} << k % 64);  // itself
      }
      int64_t now = 0;
      for (int64_t w = 0; w < words; ++w) now += __builtin_popcountll(dead[w]);
      is_worth_it = (now - fallen) * kSweeps >= n - fallen;
      fallen = now;
    }
    int64_t to = c.next;
    for (int64_t w = 0; w < words; ++w) {
      const uint64_t whole = w + 1 == words && n % 64 != 0 ? (uint64_t{1} << n % 64) - 1 : ~uint64_t{0};
      for (uint64_t left = ~dead[w] & whole; left != 0; left &= left - 1)
        move(to++, base + 64 * w + __builtin_ctzll(left));
    }
    c.kept += fresh, c.next = c.kept, c.end = is_full(c) ? c.next : to;
    return is_worth_it;
  }

  /// Compares each box with all kept boxes, until there are enough of them for a grid.
  void one_by_one(Class& c) {
    while (c.next < c.end && (c.kept - c.begin < kFew || c.end - c.next < kFew))
      take(c, !is_full(c) && !kernels_of<T>().any(sorted.from(c.begin), c.kept - c.begin, query(c.next)));
  }

  void through_grid(Class& c, bool parallel) {
    const double minimum = std::max(0.0, static_cast<double>(threshold_) * (1 - 1e-4));
    const int64_t kept = c.kept - c.begin;
    BoxGrid grid(kept + c.end - c.next, minimum, starts_ + 2 * c.begin, counts_ + 2 * c.begin,
                 [&](int64_t k) { return extent_of(sorted, k < kept ? c.begin + k : c.next + k - kept); });
    const auto is_suppressed = [&](int64_t i) {
      const NmsQuery<T> q = query(i);
      return grid.any(extent_of(sorted, i), [&](int64_t slot, int64_t count) {
        return kernels_of<T>().any(kept_.from(c.begin + slot), count, q);
      });
    };
    const auto add = [&](int64_t i) { kept_.copy(c.begin + grid.insert(extent_of(sorted, i)), sorted, i); };
    for (int64_t i = c.begin; i < c.kept; ++i) add(i);
    if (!parallel) {
      while (c.next < c.end) {
        const bool is_kept = !is_full(c) && !is_suppressed(c.next);
        if (is_kept) add(c.next);
        take(c, is_kept);
      }
      return;
    }
    while (c.next < c.end && !is_full(c)) {
      const int64_t first = c.next, last = std::min(c.end, first + kBlock);
      context_.parallel_for(first, last, kBlock / 8, [&](int64_t i, int64_t to) {
        for (; i < to; ++i) keep[places_[i]] = !is_suppressed(i);
      });
      int64_t fresh = 0;  // kept in this block
      for (int64_t i = first; i < last; ++i) {
        bool is_kept = keep[places_[i]];
        if (is_kept) is_kept = !kernels_of<T>().any(fresh_.from(0), fresh, query(i));
        if (is_kept) fresh_.copy(fresh++, sorted, i), add(i);
        take(c, is_kept);
      }
    }
  }

  static constexpr T kNever = std::numeric_limits<T>::infinity();
  /// I / (A + B - I) > t where I > t / (1 + t) * (A + B); further off by far more than both sides' rounding.
  static T share_of(T threshold) { return threshold / (1 + threshold); }

  const T threshold_, near_, sure_;
  const int64_t max_;
  const BoxList<T> kept_, fresh_;
  int64_t *starts_, *counts_, *places_;
};

/// Returns the kept boxes among n boxes box(i, column), in the order of their scores. classes: the class of each box,
/// or null.
template <class T, class Box>
int64_t suppress(const Context& context, int64_t n, const Box& box, const int64_t* order, const int64_t* classes,
                 double threshold, int64_t maximum, int64_t* kept) {
  if (n == 0 || maximum == 0) return 0;
  Scratch scratch(context);
  Suppression<T> run(context, n, threshold, maximum);
  const int64_t* by_class = order;
  if (classes) {
    int64_t* grouped = scratch.get<int64_t>(n);
    std::copy_n(order, n, grouped);
    order_by_class(classes, n, grouped, context);
    by_class = grouped;
  }
  for (int64_t k = 0; k < n; ++k) {
    const int64_t i = by_class[k];
    run.sorted.set(k, box(i, 0), box(i, 1), box(i, 2), box(i, 3));
  }
  if (!classes) {
    run(0, n, true);
    int64_t count = 0;
    for (int64_t k = 0; k < n && count < maximum; ++k)
      if (run.keep[k]) kept[count++] = order[k];
    return count;
  }
  // Classes with many boxes are processed one after the other with all threads; the other classes are processed in
  // parallel.
  int64_t* starts = scratch.get<int64_t>(n + 1);
  int64_t groups = 0;
  for (int64_t k = 0; k < n; ++k)
    if (k == 0 || classes[by_class[k]] != classes[by_class[k - 1]]) starts[groups++] = k;
  starts[groups] = n;
  const auto is_large = [&](int64_t g) { return starts[g + 1] - starts[g] >= kMany; };
  for (int64_t g = 0; g < groups; ++g)
    if (is_large(g)) run(starts[g], starts[g + 1], true);
  std::atomic<int64_t> next{0};
  const int64_t pieces = n < kMany ? 1 : std::min<int64_t>(context.num_threads(), groups);
  context.parallel_for(0, pieces, 1, [&](int64_t, int64_t) {
    for (int64_t g = next++; g < groups; g = next++)
      if (!is_large(g)) run(starts[g], starts[g + 1], false);
  });
  bool* keep = scratch.get<bool>(n);
  for (int64_t k = 0; k < n; ++k) keep[by_class[k]] = run.keep[k];
  int64_t count = 0;
  for (int64_t k = 0; k < n && count < maximum; ++k)
    if (keep[order[k]]) kept[count++] = order[k];
  return count;
}

/// Values of a row of a (B, N) view or of a (N) view as To.
template <class To, class From>
void read_row(const TensorView& view, int64_t image, To* values) {
  const int64_t n = view.shape[view.ndim - 1], stride = view.stride(view.ndim - 1);
  const From* data = view.as<From>() + (view.ndim > 1 ? image * view.stride(0) : 0);
  for (int64_t i = 0; i < n; ++i) values[i] = static_cast<To>(data[i * stride]);
}

void check_classes(const TensorView* classes, const TensorView& boxes, const char* op, const char* argument) {
  if (!classes) return;
  check_per_box(*classes, boxes, op, argument);
  visit(IntegerTypes{}, *classes, op, argument, [](auto) {});
}

int64_t* read_classes(const TensorView* classes, int64_t image, Scratch& scratch) {
  if (!classes) return nullptr;
  int64_t* values = scratch.get<int64_t>(classes->shape[classes->ndim - 1]);
  visit(IntegerTypes{}, dtype_of(*classes),
        [&](auto tag) { read_row<int64_t, typename decltype(tag)::type>(*classes, image, values); });
  return values;
}

/// Calls f(scores in the type of the computation).
template <class F>
void with_scores(const TensorView& scores, int64_t image, Scratch& scratch, const F& f) {
  visit(FloatTypes{}, dtype_of(scores), [&](auto tag) {
    using T = typename decltype(tag)::type;
    auto* values = scratch.get<Computed<T>>(scores.shape[scores.ndim - 1]);
    read_row<Computed<T>, T>(scores, image, values);
    f(values);
  });
}

}  // namespace

std::vector<int64_t> nms(const Context& context, const TensorView& boxes, const TensorView& scores,
                         const TensorView* classes, double iou_threshold, const char* op) {
  check_boxes(boxes, 4, false, op);
  check_scores(scores, boxes, op);
  check_classes(classes, boxes, op, "idxs");
  check_threshold(iou_threshold, op);
  const int64_t n = boxes.shape[0];
  std::vector<int64_t> kept(static_cast<size_t>(n));
  Scratch scratch(context);
  int64_t* order = scratch.get<int64_t>(n);
  with_scores(scores, 0, scratch, [&](const auto* values) { order_by_score(values, n, order, context); });
  const int64_t* keys = read_classes(classes, 0, scratch);
  visit(FloatTypes{}, dtype_of(boxes), [&](auto tag) {
    using T = typename decltype(tag)::type;
    kept.resize(static_cast<size_t>(
        suppress<Computed<T>>(context, n, Rows<T>(boxes, 0), order, keys, iou_threshold, n, kept.data())));
  });
  return kept;
}

void nms_padded(const Context& context, const TensorView& boxes, const TensorView& scores, const TensorView* classes,
                double iou_threshold, std::optional<double> score_threshold, const TensorView& indices,
                const TensorView& counts) {
  constexpr char op[] = "nms_padded";
  check_boxes(boxes, 4, true, op);
  check_scores(scores, boxes, op);
  check_classes(classes, boxes, op, "classes");
  check_threshold(iou_threshold, op);
  const int64_t images = boxes.shape[0], n = boxes.shape[1], maximum = indices.shape[1];
  const auto one = [&](const Context& host, int64_t image) {
    Scratch scratch(host);
    int64_t* order = scratch.get<int64_t>(n);
    int64_t left = n;
    with_scores(scores, image, scratch, [&](const auto* values) {
      order_by_score(values, n, order, host);
      if (score_threshold)
        left = std::remove_if(order, order + n,
                              [&, minimum = static_cast<std::decay_t<decltype(*values)>>(*score_threshold)](int64_t i) {
                                return !(values[i] > minimum);
                              }) -
               order;
    });
    // Compacts the boxes by rank, so that those below the threshold have no further cost.
    int64_t* ranks = scratch.get<int64_t>(left);
    for (int64_t k = 0; k < left; ++k) ranks[k] = k;
    int64_t* keys = read_classes(classes, image, scratch);
    if (keys) {
      int64_t* of_rank = scratch.get<int64_t>(left);
      for (int64_t k = 0; k < left; ++k) of_rank[k] = keys[order[k]];
      keys = of_rank;
    }
    int64_t* kept = scratch.get<int64_t>(left);
    int64_t count = 0;
    visit(FloatTypes{}, dtype_of(boxes), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const Rows<T> rows(boxes, image);
      count = suppress<Computed<T>>(
          host, left, [&](int64_t k, int64_t column) { return rows(order[k], column); }, ranks, keys, iou_threshold,
          maximum, kept);
    });
    int64_t* row = indices.as<int64_t>() + image * maximum;
    for (int64_t k = 0; k < count; ++k) row[k] = order[kept[k]];
    std::fill(row + count, row + maximum, -1);
    counts.as<int64_t>()[image] = count;
  };
  if (images < context.num_threads()) {
    for (int64_t i = 0; i < images; ++i) one(context, i);
  } else {
    std::atomic<bool> failed{false};
    context.parallel_for(0, images, 1, [&](int64_t i, int64_t end) {
      try {
        for (; i < end; ++i) one(serial_context(), i);
      } catch (const Error&) {  // out of memory; no exception may leave the parallel region
        failed = true;
      }
    });
    if (failed) detail::fail(ErrorKind::memory, op, ": no memory for ", n, " boxes");
  }
}

}  // namespace fastcnn
