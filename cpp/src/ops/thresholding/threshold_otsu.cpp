// N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9, 1979.
//
// O(pixels + bins). Integers are sorted instead if their range exceeds the number of pixels: O(pixels log pixels).
#include "ops/thresholding/threshold_otsu.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <type_traits>

#include "core/comparable.h"
#include "fastcnn/error.h"
#include "ops/filtering/separable_simd.h"
#include "ops/thresholding/otsu.h"
#include "ops/thresholding/otsu_simd.h"

namespace fastcnn {
namespace {

constexpr int64_t kGrain = 65536;  // pixels that are worth a thread

template <class T>
T missing() {
  if constexpr (std::is_integral_v<T>)
    return T(0);
  else if constexpr (std::is_floating_point_v<T>)
    return std::numeric_limits<T>::quiet_NaN();
  else
    return T::from(std::numeric_limits<float>::quiet_NaN());
}

/// Sums the tables that tally(begin, end, table) fills for pieces of [0, n). Each thread processes at least eight times
/// as many pixels as its table has entries.
template <class Tally>
int64_t* histogram(const Context& context, int64_t n, int64_t entries, const Tally& tally, Scratch& scratch) {
  int64_t* total = scratch.get<int64_t>(entries);
  std::fill_n(total, entries, int64_t(0));
  std::mutex mutex;
  context.parallel_for(0, n, std::max(kGrain, 8 * entries), [&](int64_t begin, int64_t end) {
    if (end - begin == n) return tally(begin, end, total);
    Scratch local(context);
    int64_t* table = local.get<int64_t>(entries);
    std::fill_n(table, entries, int64_t(0));
    tally(begin, end, table);
    std::lock_guard<std::mutex> lock(mutex);
    for (int64_t i = 0; i < entries; ++i) total[i] += table[i];
  });
  return total;
}

/// Neighbouring pixels use four separate tables because they are often equal: incrementing a counter again has to wait
/// for its store.
void tally_bytes(const uint8_t* src, int64_t n, int64_t* table) {
  int64_t counts[4][256] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t pixels;
    std::memcpy(&pixels, src + i, 8);
    for (int k = 0; k < 8; ++k, pixels >>= 8) ++counts[k & 3][pixels & 255];
  }
  for (; i < n; ++i) ++counts[0][src[i]];
  for (int v = 0; v < 256; ++v) table[v] += counts[0][v] + counts[1][v] + counts[2][v] + counts[3][v];
}

template <class T>
void range_of(const Context& context, const T* src, int64_t n, T* minimum, T* greatest) {
  *minimum = *greatest = src[0];
  std::mutex mutex;
  context.parallel_for(0, n, kGrain, [&](int64_t begin, int64_t end) {
    T low = src[begin], high = src[begin];
    for (int64_t i = begin; i < end; ++i) {
      low = std::min(low, src[i]);
      high = std::max(high, src[i]);
    }
    std::lock_guard<std::mutex> lock(mutex);
    *minimum = std::min(*minimum, low);
    *greatest = std::max(*greatest, high);
  });
}

template <class T>
T otsu_integers(const Context& context, const T* src, int64_t n) {
  Scratch scratch(context);
  T minimum = std::numeric_limits<T>::min(), greatest = std::numeric_limits<T>::max();
  if constexpr (sizeof(T) > 1) range_of(context, src, n, &minimum, &greatest);
  const OtsuOrigin<T> number(minimum, greatest);
  const uint64_t span = static_cast<uint64_t>(greatest) - static_cast<uint64_t>(minimum);
  if (span < static_cast<uint64_t>(n) + 1024) {
    const int64_t entries = static_cast<int64_t>(span) + 1;
    const int64_t* counts = histogram(
        context, n, entries,
        [&](int64_t begin, int64_t end, int64_t* table) {
          if constexpr (sizeof(T) == 1) {
            tally_bytes(src + begin, end - begin, table);
          } else {
            for (int64_t i = begin; i < end; ++i)
              ++table[static_cast<uint64_t>(src[i]) - static_cast<uint64_t>(minimum)];
          }
        },
        scratch);
    int64_t first = 0, last = entries - 1;
    while (counts[first] == 0) ++first;
    while (counts[last] == 0) --last;
    const auto value = [&](int64_t i) {
      return static_cast<T>(static_cast<uint64_t>(minimum) + static_cast<uint64_t>(first + i));
    };
    return value(otsu_bin<double>(
        last - first + 1, [&](int64_t i) { return counts[first + i]; }, [&](int64_t i) { return number(value(i)); },
        scratch));
  }

  T* values = scratch.get<T>(n);
  float* counts = scratch.get<float>(n);  // as skimage holds them
  std::copy_n(src, n, values);
  std::sort(values, values + n);
  int64_t bins = 0;
  for (int64_t i = 0; i < n;) {
    int64_t end = i;
    while (end < n && values[end] == values[i]) ++end;
    values[bins] = values[i];
    counts[bins++] = static_cast<float>(end - i);
    i = end;
  }
  return values[otsu_bin<double>(
      bins, [&](int64_t i) { return counts[i]; }, [&](int64_t i) { return number(values[i]); }, scratch)];
}

template <class F>
F otsu_finite(const Context& context, const OtsuRows<F>& kernels, const F* src, int64_t n, F minimum, F greatest,
              int64_t nbins);

/// The conclusions from the minimum and the maximum, which are computed first.
template <class F>
F otsu_floats(const Context& context, const F* src, int64_t n, int64_t nbins) {
  const OtsuRows<F>* kernels;
  if constexpr (std::is_same_v<F, float>)
    kernels = &FASTCNN_SELECT(otsu_kernels).f32;
  else
    kernels = &FASTCNN_SELECT(otsu_kernels).f64;
  F minimum = src[0], greatest = src[0];
  bool ordered = true;
  std::mutex mutex;
  context.parallel_for(0, n, kGrain, [&](int64_t begin, int64_t end) {
    F low, high;
    const bool good = kernels->range(src + begin, end - begin, &low, &high);
    std::lock_guard<std::mutex> lock(mutex);
    minimum = std::min(minimum, low);
    greatest = std::max(greatest, high);
    ordered = ordered && good;
  });
  if (ordered && minimum == greatest) return src[0];
  if (!ordered || !std::isfinite(minimum) || !std::isfinite(greatest)) return missing<F>();
  const int exponent = otsu_exponent(std::max(std::abs(minimum), std::abs(greatest)));
  if (exponent == 0) return otsu_finite(context, *kernels, src, n, minimum, greatest, nbins);

  Scratch scratch(context);
  F* scaled = scratch.get<F>(n);
  context.parallel_for(0, n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) scaled[i] = std::ldexp(src[i], -exponent);
  });
  return std::ldexp(
      otsu_finite(context, *kernels, scaled, n, std::ldexp(minimum, -exponent), std::ldexp(greatest, -exponent), nbins),
      exponent);
}

template <class F>
F otsu_finite(const Context& context, const OtsuRows<F>& kernels, const F* src, int64_t n, F minimum, F greatest,
              int64_t nbins) {
  const F span = greatest - minimum;
  Scratch scratch(context);
  F* edges = scratch.get<F>(nbins + 1);
  nbins = histogram_edges(minimum, greatest, nbins, edges);
  if (nbins == 1) return minimum;
  const auto tally = [&](int64_t begin, int64_t end, int64_t* table) {
    constexpr int64_t kRun = 512;
    int32_t bins[kRun];
    for (int64_t from = begin; from < end; from += kRun) {
      const int64_t count = std::min(kRun, end - from);
      kernels.bins(src + from, count, minimum, span, static_cast<F>(nbins), bins);
      for (int64_t i = 0; i < count; ++i) {
        const F v = src[from + i];
        int64_t bin = std::min<int64_t>(bins[i], nbins - 1);
        // Compares with the edges as numpy.histogram does: the division may be off by one there.
        bin -= v < edges[bin];
        bin += v >= edges[bin + 1] && bin != nbins - 1;
        ++table[bin];
      }
    }
  };
  const int64_t* counts = histogram(context, n, nbins, tally, scratch);
  const auto center = [&](int64_t i) { return (edges[i] + edges[i + 1]) / 2; };
  return center(otsu_bin<F>(nbins, [&](int64_t i) { return counts[i]; }, center, scratch));
}

template <class T>
T otsu(const Context& context, const T* src, int64_t n, int64_t nbins) {
  if constexpr (std::is_floating_point_v<T>) {
    return otsu_floats(context, src, n, nbins);
  } else {
    Scratch scratch(context);
    float* values = scratch.get<float>(n);
    auto* const load = FASTCNN_SELECT(separable_kernels).f32.load[static_cast<int>(TypeToDType<T>::value)];
    context.parallel_for(0, n, kGrain,
                         [&](int64_t begin, int64_t end) { load(src + begin, end - begin, values + begin); });
    return T::from(otsu_floats(context, values, n, nbins));
  }
}

}  // namespace

void check_otsu(const char* op, const TensorView& src, int spatial_dims, int64_t nbins, const TensorView& dst) {
  const BatchShape shape(src, spatial_dims, op, "image");
  FASTCNN_CHECK(nbins >= 2 && nbins <= 1 << 20, op, ": expected nbins between 2 and 1048576, got ", nbins);
  TensorView leading = src;
  leading.ndim = src.ndim - spatial_dims;
  check_same_shape(leading, dst, op, "result");
  check_output(dst, dtype_of(src), op, "result");
  if (shape.extent.size() > 0) return;
  visit(OtsuTypes{}, src, op, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::fill_n(dst.as<T>(), dst.numel(), missing<T>());
  });
}

void threshold_otsu(const Context& context, const TensorView& src, int spatial_dims, int64_t nbins,
                    const TensorView& dst) {
  constexpr const char* kOp = "threshold_otsu";
  check_otsu(kOp, src, spatial_dims, nbins, dst);
  const BatchShape batch(src, spatial_dims, kOp, "image");
  const ImageSource source(src, spatial_dims);
  visit(OtsuTypes{}, src, kOp, "image", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Context& host = worth_threads(context, batch.count * batch.extent.size(), kGrain);
    for_each_image(host, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const int64_t n = batch.extent.size();
      if constexpr (std::is_integral_v<T>)
        dst.as<T>()[i] = static_cast<T>(otsu_integers(inner, comparable<T>(source, i, n, scratch), n));
      else
        dst.as<T>()[i] = otsu(inner, source.image<T>(i, scratch), n, nbins);
    });
  });
}

}  // namespace fastcnn
