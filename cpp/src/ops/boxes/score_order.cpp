// A radix sort, least digit first: stable, and linear in the number of boxes.
#include "ops/boxes/score_order.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

namespace fastcnn::boxes {
namespace {

constexpr int kDigit = 11;
constexpr int64_t kBuckets = int64_t{1} << kDigit, kFew = 64;

template <class Key>
struct Item {
  Key key;
  int64_t index;
};

/// Sorts by rising key. spare: n items of memory. Returns where the result lies.
template <class Key>
Item<Key>* radix_sort(Item<Key>* items, Item<Key>* spare, int64_t n) {
  if (n <= kFew) {
    std::stable_sort(items, items + n, [](const Item<Key>& a, const Item<Key>& b) { return a.key < b.key; });
    return items;
  }
  for (int shift = 0; shift < static_cast<int>(8 * sizeof(Key)); shift += kDigit) {
    int64_t starts[kBuckets] = {};
    const auto digit = [shift](Key key) { return static_cast<int64_t>((key >> shift) & (kBuckets - 1)); };
    for (int64_t i = 0; i < n; ++i) ++starts[digit(items[i].key)];
    if (starts[digit(items[0].key)] == n) continue;
    int64_t sum = 0;
    for (int64_t& start : starts) sum += std::exchange(start, sum);
    for (int64_t i = 0; i < n; ++i) spare[starts[digit(items[i].key)]++] = items[i];
    std::swap(items, spare);
  }
  return items;
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
  using Key = decltype(falling_key(T()));
  Scratch scratch(context);
  auto* items = scratch.get<Item<Key>>(2 * n);
  for (int64_t i = 0; i < n; ++i) items[i] = {falling_key(scores[i]), i};
  const Item<Key>* sorted = radix_sort(items, items + n, n);
  for (int64_t i = 0; i < n; ++i) order[i] = sorted[i].index;
}
template void order_by_score(const float*, int64_t, int64_t*, const Context&);
template void order_by_score(const double*, int64_t, int64_t*, const Context&);

void order_by_class(const int64_t* classes, int64_t n, int64_t* order, const Context& context) {
  Scratch scratch(context);
  auto* items = scratch.get<Item<uint64_t>>(2 * n);
  constexpr uint64_t kSign = uint64_t{1} << 63;
  for (int64_t i = 0; i < n; ++i) items[i] = {static_cast<uint64_t>(classes[order[i]]) ^ kSign, order[i]};
  const Item<uint64_t>* sorted = radix_sort(items, items + n, n);
  for (int64_t i = 0; i < n; ++i) order[i] = sorted[i].index;
}

}  // namespace fastcnn::boxes
