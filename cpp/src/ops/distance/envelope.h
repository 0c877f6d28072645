// The lower envelope of parabolas: min over sites s of (x - s)^2 spacing^2 + cost(s), for every x of a line, in linear
// time. A. Meijster, J. Roerdink, W. Hesselink, "A general algorithm for computing distance transforms in linear time",
// 2000; P. Felzenszwalb, D. Huttenlocher, "Distance transforms of sampled functions", 2012.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

namespace fastcnn {

/// One member of the envelope: the site, its cost, and the first x that it owns.
template <class Cost>
struct Parabola {
  Cost cost;
  int64_t site, begin;
};

/// Pushes the sites of [0, n) for which site_cost(s, cost) holds; returns how many parabolas remain. At ties the lower
/// site keeps the pixel. Integer costs are exact; the sum of n^2 and any cost must fit.
template <class Cost, class SiteCost>
int64_t lower_envelope(int64_t n, Cost spacing2, const SiteCost& site_cost, Parabola<Cost>* stack) {
  int64_t top = -1;
  for (int64_t u = 0; u < n; ++u) {
    Cost cost;
    if (!site_cost(u, cost)) continue;
    const auto at = [&](int64_t x, int64_t s, Cost c) {
      const Cost distance = static_cast<Cost>(x - s);
      return distance * distance * spacing2 + c;
    };
    while (top >= 0 && at(stack[top].begin, stack[top].site, stack[top].cost) > at(stack[top].begin, u, cost)) --top;
    int64_t begin = 0;
    if (top >= 0) {
      // The last x at which the top is still as near; it is not before stack[top].begin, so not negative.
      const int64_t s = stack[top].site;
      if constexpr (std::is_integral_v<Cost>) {
        using Unsigned = std::make_unsigned_t<Cost>;
        const auto numerator = static_cast<Unsigned>(static_cast<Cost>((u - s) * (u + s)) + cost - stack[top].cost);
        begin = static_cast<int64_t>(numerator / static_cast<Unsigned>(2 * (u - s))) + 1;
      } else {
        const Cost sum = static_cast<Cost>(u + s), difference = static_cast<Cost>(u - s);
        const Cost last = (sum + (cost - stack[top].cost) / (difference * spacing2)) / 2;
        if (!(last < static_cast<Cost>(n))) continue;
        begin = static_cast<int64_t>(std::floor(last)) + 1;
        if (begin <= stack[top].begin) begin = stack[top].begin + 1;
      }
      if (begin >= n) continue;
    }
    stack[++top] = {cost, u, begin};
  }
  return top + 1;
}

}  // namespace fastcnn
