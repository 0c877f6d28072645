// Suppression that lowers scores instead of removing boxes. O(n * results) vector operations, 50 bytes per box, never a
// matrix of pairs.
#include <algorithm>
#include <cmath>

#include "fastcnn/ops/boxes.h"
#include "ops/boxes/box_checks.h"
#include "ops/boxes/box_list.h"
#include "ops/boxes/score_order.h"

namespace fastcnn {
namespace {

using namespace boxes;

void check_decay(double sigma, Decay decay, double min_score, const char* op) {
  FASTCNN_CHECK(decay == Decay::linear || sigma > 0, op, ": expected sigma above 0, got ", sigma);
  FASTCNN_CHECK(min_score >= 0, op, ": expected min_score of at least 0, got ", min_score);
}

/// Calls f(boxes, scores) in the type of the computation: double if either is double.
template <class F>
void with_boxes(const Context& context, const TensorView& boxes, const TensorView& scores, const F& f) {
  const int64_t n = boxes.shape[0];
  Scratch scratch(context);
  visit(FloatTypes{}, dtype_of(boxes), [&](auto tag) {
    using From = typename decltype(tag)::type;
    using T = Computed<From>;
    const BoxList<T> list = BoxList<T>::in(scratch, n);
    const Rows<From> box(boxes, 0);
    for (int64_t i = 0; i < n; ++i) list.set(i, box(i, 0), box(i, 1), box(i, 2), box(i, 3));
    T* values = scratch.get<T>(n);
    visit(FloatTypes{}, dtype_of(scores), [&](auto score_tag) {
      using S = typename decltype(score_tag)::type;
      for (int64_t i = 0; i < n; ++i)
        values[i] = static_cast<T>(static_cast<Computed<S>>(scores.as<S>()[i * scores.stride(0)]));
    });
    f(list, values);
  });
}

template <class T>
T iou(const BoxList<T>& b, int64_t i, int64_t j) {
  const T width = std::min(b.x2[i], b.x2[j]) - std::max(b.x1[i], b.x1[j]);
  const T height = std::min(b.y2[i], b.y2[j]) - std::max(b.y1[i], b.y1[j]);
  if (!(width > 0 && height > 0)) return 0;
  const T shared = width * height, overlap = shared / (b.area[i] + b.area[j] - shared);
  return overlap > 0 ? std::min(overlap, T(1)) : T(0);
}

template <class T>
void swap_boxes(const BoxList<T>& b, int64_t i, int64_t j) {
  for (T* array : {b.x1, b.y1, b.x2, b.y2, b.area}) std::swap(array[i], array[j]);
}

}  // namespace

ScoredBoxes soft_nms(const Context& context, const TensorView& boxes, const TensorView& scores, double iou_threshold,
                     double sigma, Decay decay, double min_score) {
  constexpr char op[] = "soft_nms";
  check_boxes(boxes, 4, false, op);
  check_scores(scores, boxes, op);
  check_threshold(iou_threshold, op);
  check_decay(sigma, decay, min_score, op);
  const int64_t n = boxes.shape[0];
  ScoredBoxes result;
  with_boxes(context, boxes, scores, [&](const auto& list, auto* values) {
    using T = std::decay_t<decltype(*values)>;
    const T threshold = threshold_in<T>(iou_threshold), minimum = static_cast<T>(min_score),
            factor = static_cast<T>(-1 / sigma);
    Scratch scratch(context);
    int64_t* index = scratch.get<int64_t>(n);
    int64_t left = 0;
    for (int64_t i = 0; i < n; ++i)
      if (values[i] >= minimum) {  // neither is NaN
        list.copy(left, list, i);
        values[left] = values[i], index[left++] = i;
      }
    for (int64_t first = 0; first < left; ++first) {
      int64_t best = first;
      for (int64_t i = first + 1; i < left; ++i)
        if (values[i] > values[best] || (values[i] == values[best] && index[i] < index[best])) best = i;
      swap_boxes(list, first, best);
      std::swap(values[first], values[best]), std::swap(index[first], index[best]);
      result.indices.push_back(index[first]);
      result.scores.push_back(static_cast<double>(values[first]));
      int64_t kept = first + 1;
      for (int64_t i = first + 1; i < left; ++i) {
        const T overlap = iou(list, first, i);
        T value = values[i];
        if (overlap > 0) {
          if (decay == Decay::gaussian)
            value *= std::exp(overlap * overlap * factor);
          else if (overlap > threshold)
            value *= 1 - overlap;
        }
        if (!(value >= minimum)) continue;
        list.copy(kept, list, i);
        values[kept] = value, index[kept++] = index[i];
      }
      left = kept;
    }
  });
  return result;
}

ScoredBoxes matrix_nms(const Context& context, const TensorView& boxes, const TensorView& scores, double sigma,
                       Decay decay, double min_score) {
  constexpr char op[] = "matrix_nms";
  check_boxes(boxes, 4, false, op);
  check_scores(scores, boxes, op);
  check_decay(sigma, decay, min_score, op);
  const int64_t n = boxes.shape[0];
  ScoredBoxes result;
  with_boxes(context, boxes, scores, [&](const auto& unsorted, auto* values) {
    using T = std::decay_t<decltype(*values)>;
    Scratch scratch(context);
    int64_t* order = scratch.get<int64_t>(n);
    order_by_score(values, n, order, context);
    // Excludes boxes whose initial score is too low, and NaN.
    const int64_t left =
        std::remove_if(order, order + n, [&](int64_t i) { return !(values[i] >= T(min_score)); }) - order;
    const BoxList<T> list = BoxList<T>::in(scratch, left);
    for (int64_t k = 0; k < left; ++k) list.copy(k, unsorted, order[k]);
    T *worst = scratch.get<T>(left), *decayed = scratch.get<T>(left);
    // Computes the largest overlap of each box with a better box, then the decay by each such box.
    context.parallel_for(0, left, 16, [&](int64_t j, int64_t end) {
      for (; j < end; ++j) {
        worst[j] = 0;
        for (int64_t i = 0; i < j; ++i) worst[j] = std::max(worst[j], iou(list, i, j));
      }
    });
    context.parallel_for(0, left, 16, [&](int64_t j, int64_t end) {
      for (; j < end; ++j) {
        T minimum = 1;
        for (int64_t i = 0; i < j; ++i) {
          const T overlap = iou(list, i, j);
          if (!(overlap > 0)) continue;  // other boxes do not lower the score
          const T factor = decay == Decay::gaussian
                               ? std::exp((worst[i] * worst[i] - overlap * overlap) / static_cast<T>(sigma))
                           : worst[i] < 1 ? (1 - overlap) / (1 - worst[i])
                                          : T(1);
          minimum = std::min(minimum, factor);
        }
        decayed[j] = values[order[j]] * minimum;
      }
    });
    int64_t* ranks = scratch.get<int64_t>(left);
    order_by_score(decayed, left, ranks, context);
    for (int64_t k = 0; k < left; ++k) {
      const int64_t rank = ranks[k];
      if (!(decayed[rank] >= T(min_score))) continue;
      result.indices.push_back(order[rank]);
      result.scores.push_back(static_cast<double>(decayed[rank]));
    }
  });
  return result;
}

}  // namespace fastcnn
