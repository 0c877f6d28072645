// Maxima with their positions, compiled once per ISA.
//
// Every lane is an output: its window is read tap by tap in raster order, so that the first maximum and the last NaN
// win as in torch. Lanes are neighbouring channels, or neighbouring columns (whose taps are `stride` apart); for an
// output with an irregular or a wide window, lanes run along the window instead.
#include <stdint.h>

#include "ops/pooling/pool_fold_simd.h"
#include "ops/pooling/pooling_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

template <int kBytes>
struct IndexOf {
  using type = int32_t;
};
template <>
struct IndexOf<8> {
  using type = int64_t;
};
template <class T>
struct WideOf {
  using type = Lane<T>;
};
template <>
struct WideOf<uint8_t> {
  using type = int32_t;
};
template <>
struct WideOf<uint16_t> {
  using type = int32_t;
};
template <>
struct WideOf<int16_t> {
  using type = int32_t;
};

template <class T, class W>
FASTCNN_INLINE constexpr W narrowest() {
  if constexpr (sizeof(T) < sizeof(W) && !is_float<W>)
    return W(minimum<T>());
  else
    return minimum<W>();
}

template <class W>
FASTCNN_INLINE auto replaces(Vec<W> x, Vec<W> kept) {
  if constexpr (is_float<W>)
    return (x > kept) | (x != x);
  else
    return x > kept;
}
template <class W>
FASTCNN_INLINE bool replaces_one(W x, W kept) {
  return x > kept || x != x;
}

template <class T>
struct Index {
  using W = typename WideOf<T>::type;
  using I = typename IndexOf<sizeof(W)>::type;
  using Sum = Lane<T>;  // of gradients
  static constexpr int64_t kLanes = lanes<W>;
  // The value of a window entirely in the padding: the minimum of the narrow type, which a truncated minimum of W would
  // not be.
  static constexpr W kMin = narrowest<T, W>();

  const PoolJob& job;
  W* buffer;
  int64_t z_begin, z_end, y_begin, y_end;

  Index(const PoolJob& j, int64_t row, void* memory) : job(j), buffer(static_cast<W*>(memory)) {
    z_begin = j.z.begin[row / j.y.out];
    z_end = j.z.end[row / j.y.out];
    y_begin = j.y.begin[row % j.y.out];
    y_end = j.y.end[row % j.y.out];
  }
  /// f(index of the line's first pixel) for every line that the windows hold.
  template <class F>
  FASTCNN_INLINE void lines(const F& f) const {
    for (int64_t z = z_begin; z < z_end; z += job.z.dilation)
      for (int64_t y = y_begin; y < y_end; y += job.y.dilation) f((z * job.y.in + y) * job.x.in);
  }
  /// The start of the search in window o: its first pixel, or none if it lies entirely in the padding.
  FASTCNN_INLINE I start(int64_t o) const {
    const PoolAxis& x = job.x;
    if (z_begin == z_end || y_begin == y_end || x.begin[o] == x.end[o]) return I(kNowhere);
    return I((z_begin * job.y.in + y_begin) * x.in + x.begin[o]);
  }

  // --- lanes are channels -------------------------------------------------------------------------------------------

  template <int N>
  FASTCNN_INLINE void pixel(const T* src, int64_t o, int64_t c, int64_t part, W* values, I* indices) const {
    const PoolAxis& x = job.x;
    Vec<W> kept[N];
    Vec<I> place[N];
    FASTCNN_UNROLL
    for (int i = 0; i < N; ++i) {
      kept[i] = splat(kMin);
      place[i] = splat(start(o));
    }
    lines([&](int64_t line) __attribute__((always_inline)) {
      for (int64_t i = x.begin[o]; i < x.end[o]; i += x.dilation) {
        const T* p = src + (line + i) * job.inner + c;
        const Vec<I> here = splat(I(line + i));
        FASTCNN_UNROLL
        for (int k = 0; k < N; ++k) {
          const Vec<W> v = part < kLanes ? load_first<W>(p, part) : load_as<W>(p + k * kLanes);
          const auto better = replaces<W>(v, kept[k]);
          kept[k] = better ? v : kept[k];
          place[k] = better ? here : place[k];
        }
      }
    });
    FASTCNN_UNROLL
    for (int k = 0; k < N; ++k) {
      store_up_to<W>(values + k * kLanes, kept[k], part);
      store_up_to<I>(indices + k * kLanes, place[k], part);
    }
  }
  void channels(const T* src, int64_t c0, int64_t c1, W* values, I* indices) const {
    for (int64_t o = 0; o < job.x.out; ++o) {
      int64_t c = c0;
      for (; c + 4 * kLanes <= c1; c += 4 * kLanes, values += 4 * kLanes, indices += 4 * kLanes)
        pixel<4>(src, o, c, kLanes, values, indices);
      for (; c + kLanes <= c1; c += kLanes, values += kLanes, indices += kLanes)
        pixel<1>(src, o, c, kLanes, values, indices);
      if (c < c1) pixel<1>(src, o, c, c1 - c, values, indices);
      values += c1 - c;
      indices += c1 - c;
    }
  }

  /// Adds the gradient of N vectors of one pixel to the positions of their maxima: at every tap, for the lanes whose
  /// maximum is there.
  template <int N>
  FASTCNN_INLINE void pixel_back(const T* src, const T* grad, int64_t o, int64_t c, int64_t part, Sum* sums) const {
    const PoolAxis& x = job.x;
    Vec<W> kept[N], gradient[N];
    Vec<I> tap[N];
    FASTCNN_UNROLL
    for (int k = 0; k < N; ++k) {
      kept[k] = splat(kMin);
      tap[k] = splat(I(0));
      gradient[k] = load_up_to<W>(grad + o * job.inner + c + k * kLanes, part);
    }
    I number = 0;
    lines([&](int64_t line) __attribute__((always_inline)) {
      for (int64_t i = x.begin[o]; i < x.end[o]; i += x.dilation, ++number) {
        const T* p = src + (line + i) * job.inner + c;
        FASTCNN_UNROLL
        for (int k = 0; k < N; ++k) {
          const Vec<W> v = load_up_to<W>(p + k * kLanes, part);
          const auto better = replaces<W>(v, kept[k]);
          kept[k] = better ? v : kept[k];
          tap[k] = better ? splat(number) : tap[k];
        }
      }
    });
    number = 0;
    lines([&](int64_t line) __attribute__((always_inline)) {
      for (int64_t i = x.begin[o]; i < x.end[o]; i += x.dilation, ++number) {
        Sum* p = sums + (line + i) * job.inner + c;
        FASTCNN_UNROLL
        for (int k = 0; k < N; ++k) {
          const Vec<W> share = tap[k] == splat(number) ? gradient[k] : Vec<W>{};
          store_up_to<W>(p + k * kLanes, load_up_to<W>(p + k * kLanes, part) + share, part);
        }
      }
    });
  }
  void channels_back(const T* src, const T* grad, int64_t c0, int64_t c1, Sum* sums) const {
    for (int64_t o = 0; o < job.x.out; ++o) {
      int64_t c = c0;
      for (; c + 4 * kLanes <= c1; c += 4 * kLanes) pixel_back<4>(src, grad, o, c, kLanes, sums);
      for (; c + kLanes <= c1; c += kLanes) pixel_back<1>(src, grad, o, c, kLanes, sums);
      if (c < c1) pixel_back<1>(src, grad, o, c, c1 - c, sums);
    }
  }

  // --- lanes are columns --------------------------------------------------------------------------------------------

  void widened(const T* src, int64_t n, W* dst) const {
    in_vectors<W>(
        n, [&](int64_t e, int64_t k) __attribute__((always_inline)) { store(dst + e, load_up_to<W>(src + e, k)); });
  }
  static FASTCNN_INLINE Vec<W> every(const W* p, int64_t stride) {
    if (stride == 1) return load(p);
    if (stride == 2) return evens<W>(load(p), load(p + kLanes));
    Vec<W> v{};
    for (int i = 0; i < kLanes; ++i) v[i] = p[i * stride];
    return v;
  }
  void columns(const T* src, W* values, I* indices) const {
    const PoolAxis& x = job.x;
    const int64_t right = x.padding + x.in;
    const int64_t length = (x.out + kLanes) * x.stride + (x.kernel - 1) * x.dilation + 2 * kLanes;
    for (int64_t i = 0; i < x.out; ++i) {
      values[i] = kMin;
      indices[i] = start(i);
    }
    for (int64_t i = 0; i < x.padding; ++i) buffer[i] = kMin;
    Vec<I> steps{};
    for (int i = 0; i < kLanes; ++i) steps[i] = I(i * x.stride);
    lines([&](int64_t line) {
      widened(src + line, x.in, buffer + x.padding);
      for (int64_t i = right; i < length; ++i) buffer[i] = kMin;
      for (int64_t o = 0; o < x.out; o += kLanes) {
        Vec<W> kept = load(values + o);
        Vec<I> place = load(indices + o);
        for (int64_t t = 0; t < x.kernel; ++t) {
          const int64_t at = o * x.stride + t * x.dilation;
          const Vec<W> v = every(buffer + at, x.stride);
          const auto better = replaces<W>(v, kept);
          kept = better ? v : kept;
          place = better ? steps + splat(I(line - x.padding + at)) : place;
        }
        store(values + o, kept);
        store(indices + o, place);
      }
    });
  }

  // --- lanes are the window's ---------------------------------------------------------------------------------------

  /// Processes elements [begin, end) of one line, which follow the elements already in value and index in raster order.
  void run(const W* line_values, int64_t begin, int64_t end, int64_t line, W& value, I& index) const {
    int64_t i = begin;
    if (job.x.dilation == 1 && end - begin >= 4 * kLanes) {
      Vec<W> kept = load(line_values + i);
      Vec<I> at{}, place{};
      for (int k = 0; k < kLanes; ++k) at[k] = I(line + i + k);
      place = at;
      for (i += kLanes; i + kLanes <= end; i += kLanes) {
        at = at + splat(I(kLanes));
        const Vec<W> v = load(line_values + i);
        const auto better = replaces<W>(v, kept);
        kept = better ? v : kept;
        place = better ? at : place;
      }
      W best = kept[0];
      I best_place = place[0];
      for (int k = 1; k < kLanes; ++k) {
        const bool nan = kept[k] != kept[k], had = best != best;
        const bool better =
            nan ? !had || place[k] > best_place : kept[k] > best || (kept[k] == best && place[k] < best_place);
        if (better) {
          best = kept[k];
          best_place = place[k];
        }
      }
      if (replaces_one(best, value)) {
        value = best;
        index = best_place;
      }
    }
    for (; i < end; i += job.x.dilation)
      if (replaces_one(line_values[i], value)) {
        value = line_values[i];
        index = I(line + i);
      }
  }
  void windows(const T* src, W* values, I* indices) const {
    const PoolAxis& x = job.x;
    for (int64_t o = 0; o < x.out; ++o) {
      values[o] = kMin;
      indices[o] = start(o);
    }
    lines([&](int64_t line) {
      const W* wide = buffer;
      if constexpr (same<T, W>)
        wide = src + line;
      else
        widened(src + line, x.in, buffer);
      for (int64_t o = 0; o < x.out; ++o) run(wide, x.begin[o], x.end[o], line, values[o], indices[o]);
    });
  }
};

template <class T>
void index_row(const PoolJob& job, const void* src, int64_t row, int64_t c0, int64_t c1, void* buffer, void* values,
               void* indices) {
  const Index<T> index(job, row, buffer);
  const T* in = static_cast<const T*>(src);
  auto* to = static_cast<typename Index<T>::W*>(values);
  auto* places = static_cast<typename Index<T>::I*>(indices);
  // A vector of columns costs all taps of its windows; for a wide window, lanes along the window are then more
  // efficient.
  const bool few = job.x.kernel >= 4 * Index<T>::kLanes && job.x.out < Index<T>::kLanes;
  if (job.inner > 1)
    index.channels(in, c0, c1, to, places);
  else if (job.x.uniform && !few)
    index.columns(in, to, places);
  else
    index.windows(in, to, places);
}

int64_t buffer_bytes(const PoolJob& job) {
  const PoolAxis& x = job.x;
  const int64_t columns = x.uniform ? (x.out + FASTCNN_VECTOR_BYTES / 4) * x.stride + (x.kernel - 1) * x.dilation : 0;
  return (columns + x.in + x.padding) * 8 + 8 * FASTCNN_VECTOR_BYTES;
}

template <class T>
void store_row(const void* values, const void* indices, int64_t n, void* dst, int64_t* dst_indices) {
  using W = typename Index<T>::W;
  using I = typename Index<T>::I;
  const W* from = static_cast<const W*>(values);
  const I* places = static_cast<const I*>(indices);
  T* to = static_cast<T*>(dst);
  in_vectors<W>(
      n, [&](int64_t e, int64_t k) __attribute__((always_inline)) { store_up_to<W>(to + e, load(from + e), k); });
  for (int64_t i = 0; i < n; ++i) dst_indices[i] = places[i];
}

/// A small window's maxima get theirs vector by vector, tap by tap; others one by one.
constexpr int64_t kFewTaps = 16;

template <class T>
void back_row(const PoolJob& job, const void* src, const void* grad, int64_t row, int64_t c0, int64_t c1, void* buffer,
              void* values, void* indices, void* sums) {
  using I = typename Index<T>::I;
  const T* g = static_cast<const T*>(grad);
  auto* to = static_cast<typename Index<T>::Sum*>(sums);
  const int64_t inner = job.inner, n = job.x.out;
  if (inner > 1 && job.z.kernel * job.y.kernel * job.x.kernel <= kFewTaps)
    return Index<T>(job, row, buffer).channels_back(static_cast<const T*>(src), g, c0, c1, to);
  index_row<T>(job, src, row, c0, c1, buffer, values, indices);
  const I* place = static_cast<const I*>(indices);
  if (inner == 1) {
    for (int64_t i = 0; i < n; ++i)
      if (place[i] != kNowhere) to[place[i]] += load_one(g + i);
    return;
  }
  for (int64_t i = 0; i < n; ++i, place += c1 - c0)
    for (int64_t c = c0; c < c1; ++c)
      if (place[c - c0] != kNowhere) to[place[c - c0] * inner + c] += load_one(g + i * inner + c);
}

template <class T>
void narrow_row(const float* sums, int64_t n, void* dst) {
  T* to = static_cast<T*>(dst);
  in_vectors<float>(n, [&](int64_t e, int64_t k) __attribute__((always_inline)) {
    store_up_to<float>(to + e, load_up_to<float>(sums + e, k), k);
  });
}

}  // namespace

// In the order of DType: undefined, bool, uint8, uint16, int16, int32, int64, float16, bfloat16, float32, float64.
extern const PoolIndexKernels pool_index_kernels = {
    buffer_bytes,
    {nullptr, index_row<uint8_t>, index_row<uint8_t>, index_row<uint16_t>, index_row<int16_t>, index_row<int32_t>,
     index_row<int64_t>, index_row<Half>, index_row<Brain>, index_row<float>, index_row<double>},
    {nullptr, store_row<uint8_t>, store_row<uint8_t>, store_row<uint16_t>, store_row<int16_t>, store_row<int32_t>,
     store_row<int64_t>, store_row<Half>, store_row<Brain>, store_row<float>, store_row<double>},
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, back_row<Half>, back_row<Brain>, back_row<float>,
     back_row<double>},
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, narrow_row<Half>, narrow_row<Brain>, nullptr,
     nullptr},
};

}  // namespace fastcnn::FASTCNN_ISA
