// A radix sort, least significant digit first: stable, and linear in the number of boxes.
#include "ops/boxes/score_order.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace fastcnn::boxes {
namespace {

constexpr int kDigit = 11;
constexpr int64_t kBuckets = int64_t{1} << kDigit, kFew = 64;

template <class Key, class Index>
struct Item {
  Key key;
  Index index;
};

/// Sorts by increasing key. spare: n items of memory. Returns the location of the result.
template <class Key, class Index>
Item<Key, Index>* radix_sort(Item<Key, Index>* items, Item<Key, Index>* spare, int64_t n) {
  if (n <= kFew) {
    std::stable_sort(items, items + n, [](const auto& a, const auto& b) { return a.key < b.key; });
    return items;
  }
  constexpr int kDigits = (8 * static_cast<int>(sizeof(Key)) + kDigit - 1) / kDigit;
  const auto digit = [](Key key, int d) { return static_cast<int64_t>((key >> (d * kDigit)) & (kBuckets - 1)); };
  Index starts[kDigits][kBuckets] = {};
  for (int64_t i = 0; i < n; ++i)
    for (int d = 0; d < kDigits; ++d) ++starts[d][digit(items[i].key, d)];
  for (int d = 0; d < kDigits; ++d) {
    if (static_cast<int64_t>(starts[d][digit(items[0].key, d)]) == n) continue;
    Index sum = 0;
    for (Index& start : starts[d]) sum += std::exchange(start, sum);
    for (int64_t i = 0; i < n; ++i) spare[starts[d][digit(items[i].key, d)]++] = items[i];
    std::swap(items, spare);
  }
  return items;
}

/// order[i] = the index of the i-th smallest key(i).
template <class Index, class F>
void sort_keys(int64_t n, int64_t* order, const Context& context, const F& key) {
  using Key = decltype(key(0));
  Scratch scratch(context);
  auto* items = scratch.get<Item<Key, Index>>(2 * n);
  for (int64_t i = 0; i < n; ++i) items[i] = {key(i), static_cast<Index>(i)};
  const Item<Key, Index>* sorted = radix_sort(items, items + n, n);
  for (int64_t i = 0; i < n; ++i) order[i] = static_cast<int64_t>(sorted[i].index);
}

/// Smaller for higher scores; 0 for NaN.
template <class T>
auto falling_key(T score) {
  using Key = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  constexpr Key kSign = Key{1} << (8 * sizeof(T) - 1);
  if (score != score) return Key{0};
  score += T(0);  // -0 and 0 are equal
  Key bits;
  std::memcpy(&bits, &score, sizeof bits);
  return static_cast<Key>(~(bits & kSign ? ~bits : bits | kSign));
}

}  // namespace

template <class T>
void order_by_score(const T* scores, int64_t n, int64_t* order, const Context& context) {
  const auto key = [&](int64_t i) { return falling_key(scores[i]); };
  if (n <= std::numeric_limits<uint32_t>::max())
    sort_keys<uint32_t>(n, order, context, key);
  else
    sort_keys<uint64_t>(n, order, context, key);
}
template void order_by_score(const float*, int64_t, int64_t*, const Context&);
template void order_by_score(const double*, int64_t, int64_t*, const Context&);

void order_by_class(const int64_t* classes, int64_t n, int64_t* order, const Context& context) {
  if (n == 0) return;
  Scratch scratch(context);
  int64_t* from = scratch.get<int64_t>(n);
  std::copy_n(order, n, from);
  const auto [low, high] = std::minmax_element(classes, classes + n);
  const uint64_t range = static_cast<uint64_t>(*high) - static_cast<uint64_t>(*low);
  if (range < static_cast<uint64_t>(n)) {  // usually true for classes: one pass
    int64_t* starts = scratch.get<int64_t>(static_cast<int64_t>(range) + 1);
    std::fill_n(starts, range + 1, int64_t{0});
    for (int64_t i = 0; i < n; ++i) ++starts[classes[i] - *low];
    int64_t sum = 0;
    for (uint64_t k = 0; k <= range; ++k) sum += std::exchange(starts[k], sum);
    for (int64_t i = 0; i < n; ++i) order[starts[classes[from[i]] - *low]++] = from[i];
    return;
  }
  constexpr uint64_t kSign = uint64_t{1} << 63;
  int64_t* ranks = scratch.get<int64_t>(n);
  sort_keys<uint64_t>(n, ranks, context, [&](int64_t i) { return static_cast<uint64_t>(classes[from[i]]) ^ kSign; });
  for (int64_t i = 0; i < n; ++i) order[i] = from[ranks[i]];
}

}  // namespace fastcnn::boxes
