// The distinct labels of an image, in rising order: what needs numbering by value rests on it.
#pragma once

#include <algorithm>
#include <atomic>

#include "core/image_batch.h"

namespace fastcnn {

/// Calls body(first, end, value) for the stretches of equal values of p[begin, end).
template <class T, class Body>
void for_each_stretch(const T* p, int64_t begin, int64_t end, const Body& body) {
  constexpr int64_t kBlock = 32;  // compared without branches, so that the compiler takes vectors
  while (begin < end) {
    const T value = p[begin];
    int64_t i = begin + 1;
    for (; i + kBlock <= end; i += kBlock) {
      int different = 0;
      for (int64_t j = 0; j < kBlock; ++j) different |= p[i + j] != value;
      if (different) break;
    }
    while (i < end && p[i] == value) ++i;
    body(begin, i, value);
    begin = i;
  }
}

/// The least value by `before`, and of `start`.
template <class T, class Before>
T extreme_of(const Context& context, const T* p, int64_t size, T start, const Before& before) {
  std::atomic<T> best{start};
  context.parallel_for(0, size, 1 << 16, [&](int64_t begin, int64_t end) {
    T mine = start;
    for (int64_t i = begin; i < end; ++i) mine = before(p[i], mine) ? p[i] : mine;
    T seen = best.load(std::memory_order_relaxed);
    while (before(mine, seen) && !best.compare_exchange_weak(seen, mine, std::memory_order_relaxed)) {
    }
  });
  return best;
}

/// Ranks the positive values of an image from 1. A table where the largest is within twice the pixels, otherwise
/// a sorted list; 8 bytes per pixel at most.
template <class T>
class LabelValues {
 public:
  LabelValues(const Context& context, Scratch& scratch, const T* image, int64_t size) {
    const T largest = extreme_of(context, image, size, T{0}, [](T a, T b) { return a > b; });
    if (static_cast<uint64_t>(largest) <= std::max<uint64_t>(1 << 16, 2 * static_cast<uint64_t>(size)))
      make_table(context, scratch, image, size, static_cast<int64_t>(largest));
    else
      sort(scratch, image, size);
  }

  int64_t count() const { return count_; }
  /// 0 for 0; the value must be in the image.
  int64_t rank(T value) const {
    if (table_) return table_[value];
    return value == 0 ? 0 : std::lower_bound(sorted_, sorted_ + count_, value) - sorted_ + 1;
  }
  /// Calls body(rank, value) in rising order.
  template <class Body>
  void for_each(const Body& body) const {
    if (table_) {
      for (int64_t value = 1; value <= largest_; ++value)
        if (table_[value]) body(static_cast<int64_t>(table_[value]), static_cast<T>(value));
    } else {
      for (int64_t i = 0; i < count_; ++i) body(i + 1, sorted_[i]);
    }
  }

 private:
  void make_table(const Context& context, Scratch& scratch, const T* image, int64_t size, int64_t largest) {
    largest_ = largest;
    table_ = scratch.get<int32_t>(largest + 1);
    std::fill_n(table_, largest + 1, 0);
    context.parallel_for(0, size, 1 << 16, [&](int64_t begin, int64_t end) {
      for_each_stretch(image, begin, end, [&](int64_t, int64_t, T value) {
        // Threads may meet here; all of them write the same.
        if (!__atomic_load_n(table_ + value, __ATOMIC_RELAXED)) __atomic_store_n(table_ + value, 1, __ATOMIC_RELAXED);
      });
    });
    table_[0] = 0;
    for (int64_t value = 1; value <= largest; ++value)
      if (table_[value]) table_[value] = static_cast<int32_t>(++count_);
  }

  void sort(Scratch& scratch, const T* image, int64_t size) {
    sorted_ = scratch.get<T>(size);
    for_each_stretch(image, 0, size, [&](int64_t, int64_t, T value) {
      if (value != 0) sorted_[count_++] = value;
    });
    std::sort(sorted_, sorted_ + count_);
    count_ = std::unique(sorted_, sorted_ + count_) - sorted_;
  }

  int64_t count_ = 0, largest_ = 0;
  int32_t* table_ = nullptr;
  T* sorted_ = nullptr;
};

}  // namespace fastcnn
