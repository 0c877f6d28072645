// The distinct labels of an image in increasing order, for ops that number labels by value.
#pragma once

#include <algorithm>

#include "core/image_batch.h"
#include "ops/labeling/stretches.h"

namespace fastcnn {

/// Ranks the positive values of an image from 1. Uses a table if the values are small compared with the number of
/// pixels, otherwise a sorted list; 8 bytes per pixel at most. No value may be negative.
template <class T>
class LabelValues {
 public:
  LabelValues(const Context& context, Scratch& scratch, const T* image, int64_t size) {
    const uint64_t bound = any_bits(context, image, size);
    if (bound <= std::max<uint64_t>(1 << 16, 2 * static_cast<uint64_t>(size)))
      make_table(context, scratch, image, size, static_cast<int64_t>(bound));
    else
      sort(scratch, image, size);
  }

  int64_t count() const { return count_; }
  /// 0 for 0; the value must be in the image.
  int64_t rank(T value) const {
    if (table_) return table_[value];
    return value == 0 ? 0 : std::lower_bound(sorted_, sorted_ + count_, value) - sorted_ + 1;
  }
  /// Calls body(rank, value) in increasing order.
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
        // Threads may write the same element, but they write the same value.
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
