// Maxima and means of windows, compiled once per ISA: pool_max_simd.inl, pool_mean_simd.inl.
//
// A window is a product of stretches, so that it folds one axis at a time: O(kh + kw) per pixel, not O(kh * kw). Rows
// come first, which is whole vectors whatever the layout; the columns of the result, which lies in cache, follow:
//   - sliding: whole vectors again, at stride 1 for good, at stride 2 by splitting even from odd columns, else by
//     sliding over every column and keeping each stride-th (a vector of slides costs less than one strided output).
//   - direct, channels_last: the vectors are channels, both axes at once (small windows read each element about once).
//   - reducing: few wide or irregular (adaptive) windows.
//   - permuting: a narrow row lies in two registers, and a permutation brings each output its tap, whatever its window.
// A mean's gradient folds the same way, over the outputs that hold a pixel; for sliding they are spread by the stride
// first. Sums are in float or double, and their order does not depend on the number of threads.
#include <stdint.h>

#include "ops/pooling/pool_fold_simd.h"
#include "ops/pooling/pool_permute_simd.h"
#include "ops/pooling/pooling_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

// Bytes of a stretch of rows: what sliding keeps in the first-level cache.
constexpr int64_t kStretch = 16384;

template <class A>
FASTCNN_INLINE int64_t stretch(const PoolJob& job) {
  const int64_t each = job.inner * int64_t(sizeof(A)) * (job.x.stride > 1 ? job.x.stride : 1);
  const int64_t n = kStretch / each;
  return n < 16 ? 16 : n;
}

/// Takes whole numbers. If it does not recognise a power of two, the caller divides instead.
FASTCNN_INLINE bool is_power_of_two(double n) {
  const int64_t whole = n < 0 ? 0 : n > 1e9 ? 0 : int64_t(n);
  return whole > 0 && (whole & (whole - 1)) == 0;
}

/// One kind of pooling: T in memory, Op its fold, transposed or not.
template <class T, class Op, bool kTransposed>
struct Pool {
  using A = Lane<T>;
  static constexpr int64_t kLanes = lanes<A>;

  const PoolJob& job;
  A* buffer;
  int64_t maximum;  // pixels per stretch

  const A* scale_z() const { return static_cast<const A*>(job.scale_z); }
  const A* scale_y() const { return static_cast<const A*>(job.scale_y); }
  const A* scale_x() const { return static_cast<const A*>(job.scale_x); }

  /// Divisions cost more than a short row, so the common dilation of 1 avoids them.
  static FASTCNN_INLINE int64_t taps(int64_t begin, int64_t end, int64_t dilation) {
    if (end <= begin) return 0;
    return dilation == 1 ? end - begin : (end - begin + dilation - 1) / dilation;
  }
  Rows<T> rows_of(const T* src, int64_t oz, int64_t oy) const {
    const PoolAxis &z = job.z, &y = job.y;
    const int64_t line = job.x.in * job.pitch;
    Rows<T> rows{src + (z.begin[oz] * y.in + y.begin[oy]) * line, taps(z.begin[oz], z.end[oz], z.dilation),
                 z.dilation * y.in * line, taps(y.begin[oy], y.end[oy], y.dilation), y.dilation * line};
    if constexpr (kTransposed) {
      rows.plane_weight = scale_z() + z.begin[oz];
      rows.row_weight = scale_y() + y.begin[oy];
    }
    return rows;
  }
  /// The divisor of every sum of this row, without the factor of the column.
  A row_divisor(int64_t oz, int64_t oy) const {
    if constexpr (Op::kMean && !kTransposed)
      return scale_z()[oz] * scale_y()[oy];
    else
      return A(1);
  }

  // --- sliding ------------------------------------------------------------------------------------------------------

  template <int kTaps>
  FASTCNN_INLINE Vec<A> slide(const A* p, int64_t taps, int64_t step) const {
    Vec<A> kept = load(p);
    const int64_t n = kTaps ? kTaps : taps;
    for (int64_t t = 1; t < n; ++t) kept = Op::fold(kept, load(p + t * step));
    return kept;
  }
  /// Even columns' windows: two taps per pair of loads.
  template <int kTaps>
  FASTCNN_INLINE Vec<A> slide_by_two(const A* p, int64_t taps) const {
    const int64_t n = kTaps ? kTaps : taps;
    Vec<A> a = load(p), b = load(p + kLanes), kept = evens<A>(a, b);
    if (n > 1) kept = Op::fold(kept, odds<A>(a, b));
    for (int64_t t = 2; t < n; t += 2) {
      a = load(p + t);
      b = load(p + t + kLanes);
      kept = Op::fold(kept, evens<A>(a, b));
      if (t + 1 < n) kept = Op::fold(kept, odds<A>(a, b));
    }
    return kept;
  }
  FASTCNN_INLINE Vec<A> finished(Vec<A> kept, int64_t at, Vec<A> row_divisor, int64_t n) const {
    if constexpr (Op::kMean && !kTransposed) {
      return kept / (load_up_to<A>(scale_x() + at, n) * row_divisor);
    } else {
      return kept;
    }
  }
  template <int kTaps>
  void slide_all(const A* src, int64_t n, int64_t divide_from, Vec<A> divisor, T* dst) const {
    const int64_t taps = job.x.kernel, step = (kTransposed ? 1 : job.x.dilation) * job.inner;
    in_vectors<A>(n, [&](int64_t e, int64_t k) __attribute__((always_inline)) {
      store_up_to<A>(dst + e, finished(slide<kTaps>(src + e, taps, step), divide_from + e, divisor, k), k);
    });
  }
  template <int kTaps>
  void slide_all_by_two(const A* src, int64_t n, int64_t divide_from, Vec<A> divisor, T* dst) const {
    const int64_t taps = job.x.kernel;
    in_vectors<A>(n, [&](int64_t e, int64_t k) __attribute__((always_inline)) {
      store_up_to<A>(dst + e, finished(slide_by_two<kTaps>(src + 2 * e, taps), divide_from + e, divisor, k), k);
    });
  }
  /// Computes every column, of which each stride-th pixel is kept: in `line`, then in place.
  void slide_and_keep(const A* src, int64_t pixels, A* line) const {
    const int64_t n = ((pixels - 1) * job.x.stride + 1) * job.inner, inner = job.inner;
    for (int64_t e = 0; e < n; e += kLanes) store(line + e, slide<0>(src + e, job.x.kernel, job.x.dilation * inner));
    const int64_t step = job.x.stride * inner;
    if (inner == 1)
      for (int64_t i = 1; i < pixels; ++i) line[i] = line[i * step];
    else
      for (int64_t i = 1; i < pixels; ++i)
        for (int64_t c = 0; c < inner; ++c) line[i * inner + c] = line[i * step + c];
  }

  static void fill(A* p, int64_t n, A value) {
    for (int64_t i = 0; i < n; ++i) p[i] = value;
  }

  void sliding(const Rows<T>& of, A row_divisor, T* dst) const {
    const PoolAxis& x = job.x;
    const int64_t inner = job.inner, reach = (x.kernel - 1) * x.dilation + 1;
    Rows<T> rows = of;
    const T* base = rows.base;
    const Vec<A> divisor = splat(row_divisor);
    for (int64_t from = 0; from < x.out; from += maximum) {
      const int64_t pixels = x.out - from < maximum ? x.out - from : maximum;
      const int64_t left = from * x.stride - x.padding, right = left + (pixels - 1) * x.stride + reach;
      const int64_t first = left < 0 ? 0 : left < x.in ? left : x.in;
      const int64_t last = right < first ? first : right < x.in ? right : x.in;
      const int64_t size = (right - left) * inner, at = (first - left) * inner, n = (last - first) * inner;
      rows.base = base + first * inner;
      fill(buffer, at, Op::neutral());
      fold_rows<T, Op, false>(rows, n, buffer + at);
      fill(buffer + at + n, size - at - n + 2 * kLanes, Op::neutral());
      const int64_t width = pixels * inner;
      T* out = dst + from * inner;
      if (x.stride == 1) {
        x.kernel == 2   ? slide_all<2>(buffer, width, from * inner, divisor, out)
        : x.kernel == 3 ? slide_all<3>(buffer, width, from * inner, divisor, out)
                        : slide_all<0>(buffer, width, from * inner, divisor, out);
      } else if (x.stride == 2 && inner == 1 && x.dilation == 1) {
        x.kernel == 2   ? slide_all_by_two<2>(buffer, width, from, divisor, out)
        : x.kernel == 3 ? slide_all_by_two<3>(buffer, width, from, divisor, out)
                        : slide_all_by_two<0>(buffer, width, from, divisor, out);
      } else {
        A* line = buffer + size + 4 * kLanes;
        slide_and_keep(buffer, pixels, line);
        in_vectors<A>(width, [&](int64_t e, int64_t k) __attribute__((always_inline)) {
          store_up_to<A>(out + e, finished(load(line + e), from * inner + e, divisor, k), k);
        });
      }
    }
  }

  /// The gradient of sliding means: outputs, spread by the stride with zeros between, under the same window.
  void sliding_transposed(const Rows<T>& of, T* dst) const {
    const PoolAxis& x = job.x;  // in: the means; out: the pixels
    const int64_t inner = job.inner;
    Rows<T> rows = of;
    const T* base = rows.base;
    for (int64_t from = 0; from < x.out; from += maximum) {
      const int64_t pixels = x.out - from < maximum ? x.out - from : maximum;
      const int64_t left = from + x.padding - (x.kernel - 1), size = (pixels + x.kernel - 1) * inner;
      const int64_t first = left <= 0 ? 0 : (left + x.stride - 1) / x.stride;
      const int64_t end = (from + pixels - 1 + x.padding) / x.stride + 1, last = end < x.in ? end : x.in;
      A* spread = buffer;
      A* line = buffer + size + 4 * kLanes;
      fill(spread, size + 2 * kLanes, A(0));
      if (last > first) {
        rows.base = base + first * inner;
        fold_rows<T, Op, true>(rows, (last - first) * inner, line);
        for (int64_t o = first; o < last; ++o)
          for (int64_t c = 0; c < inner; ++c)
            spread[(o * x.stride - left) * inner + c] = line[(o - first) * inner + c] * scale_x()[o];
      }
      T* out = dst + from * inner;
      x.kernel == 2   ? slide_all<2>(spread, pixels * inner, 0, Vec<A>{}, out)
      : x.kernel == 3 ? slide_all<3>(spread, pixels * inner, 0, Vec<A>{}, out)
                      : slide_all<0>(spread, pixels * inner, 0, Vec<A>{}, out);
    }
  }

  // --- direct -------------------------------------------------------------------------------------------------------

  /// A power of two has an exact reciprocal, and a vector's division takes as long as the rest of a small window.
  struct Scale {
    A divisor, reciprocal;
    bool exact;
    explicit Scale(A d) : divisor(d), reciprocal(A(1) / d), exact(is_power_of_two(d)) {}
    FASTCNN_INLINE Vec<A> operator()(Vec<A> v) const { return exact ? v * splat(reciprocal) : v / splat(divisor); }
  };

  /// N vectors of channels of one pixel; kTaps columns, or `columns` where that is 0.
  template <int N, int kTaps>
  FASTCNN_INLINE void pixel(const Rows<T>& r, int64_t begin, int64_t columns, int64_t c, int64_t part,
                            const Scale& scale, T* dst) const {
    const int64_t pitch = job.pitch, step = job.x.dilation * pitch, n = kTaps ? kTaps : columns;
    Vec<A> kept[N];
    FASTCNN_UNROLL
    for (int i = 0; i < N; ++i) kept[i] = splat(Op::neutral());
    for (int64_t z = 0; z < r.planes; ++z)
      for (int64_t y = 0; y < r.rows; ++y) {
        const T* p = r.base + z * r.plane_step + y * r.row_step + begin * pitch + c;
        A weight = A(1);
        if constexpr (kTransposed) weight = r.plane_weight[z] * r.row_weight[y];
        for (int64_t t = 0; t < n; ++t, p += step) {
          FASTCNN_UNROLL
          for (int i = 0; i < N; ++i) {
            Vec<A> v = part < kLanes ? load_first<A>(p, part) : load_as<A>(p + i * kLanes);
            if constexpr (kTransposed) v = v * splat(A(weight * scale_x()[begin + t]));
            kept[i] = Op::fold(kept[i], v);
          }
        }
      }
    FASTCNN_UNROLL
    for (int i = 0; i < N; ++i) {
      if constexpr (Op::kMean && !kTransposed) kept[i] = scale(kept[i]);
      store_up_to<A>(dst + i * kLanes, kept[i], part);
    }
  }
  template <int kTaps>
  FASTCNN_INLINE void channels(const Rows<T>& r, int64_t begin, int64_t columns, int64_t c0, int64_t c1,
                               const Scale& scale, T* out) const {
    int64_t c = c0;
    for (; c + 4 * kLanes <= c1; c += 4 * kLanes) pixel<4, kTaps>(r, begin, columns, c, kLanes, scale, out + c);
    for (; c + kLanes <= c1; c += kLanes) pixel<1, kTaps>(r, begin, columns, c, kLanes, scale, out + c);
    if (c < c1) pixel<1, kTaps>(r, begin, columns, c, c1 - c, scale, out + c);
  }
  void direct(const Rows<T>& rows, A row_divisor, T* dst, int64_t c0, int64_t c1) const {
    const PoolAxis& x = job.x;
    Scale scale(A(1));
    for (int64_t o = 0; o < x.out; ++o) {
      const int64_t begin = x.begin[o], columns = taps(begin, x.end[o], x.dilation);
      if constexpr (Op::kMean && !kTransposed)
        if (const A divisor = row_divisor * scale_x()[o]; divisor != scale.divisor) scale = Scale(divisor);
      T* out = dst + o * job.inner;
      columns == 2   ? channels<2>(rows, begin, columns, c0, c1, scale, out)
      : columns == 3 ? channels<3>(rows, begin, columns, c0, c1, scale, out)
                     : channels<0>(rows, begin, columns, c0, c1, scale, out);
    }
  }

  // --- reducing -----------------------------------------------------------------------------------------------------

  /// Planes that are one window each.
  void whole_planes(const T* src, int64_t n, int64_t planes, A divisor, T* dst) const {
    for (int64_t i = 0; i < planes; ++i) {
      A kept = fold_run<T, Op>(src + i * n, n);
      if constexpr (Op::kMean && !kTransposed) kept /= divisor;
      store_one(dst + i, kept);
    }
  }
  /// inner is 1.
  void reducing(const Rows<T>& rows, A row_divisor, T* dst) const {
    const PoolAxis& x = job.x;
    const bool in_place = !kTransposed && rows.count() == 1 && x.dilation == 1;
    if (!in_place) {
      fold_rows<T, Op, kTransposed>(rows, x.in, buffer);
      if constexpr (kTransposed)
        for (int64_t i = 0; i < x.in; ++i) buffer[i] *= scale_x()[i];
    }
    // The gradient of one mean of all.
    if (kTransposed && x.in == 1 && x.end[0] == 1 && x.begin[x.out - 1] == 0) {
      const Vec<A> value = splat(buffer[0]);
      return in_vectors<A>(
          x.out, [&](int64_t e, int64_t k) __attribute__((always_inline)) { store_up_to<A>(dst + e, value, k); });
    }
    for (int64_t o = 0; o < x.out; ++o) {
      const int64_t begin = x.begin[o], end = x.end[o];
      A kept = Op::neutral();
      if (in_place)
        kept = fold_run<T, Op>(rows.base + begin, end - begin);
      else if (x.dilation == 1 && end - begin > 4)
        kept = fold_run<A, Op>(buffer + begin, end - begin);
      else
        for (int64_t i = begin; i < end; i += x.dilation) kept = Op::fold_one(kept, buffer[i]);
      if constexpr (Op::kMean && !kTransposed) kept /= row_divisor * scale_x()[o];
      store_one(dst + o, kept);
    }
  }
};

template <class T, template <class> class Op, bool kTransposed>
void rows(const PoolJob& job, PoolPath path, const void* src, void* dst, int64_t first, int64_t last, int64_t c0,
          int64_t c1, void* buffer) {
  const Pool<T, Op<Lane<T>>, kTransposed> pool{job, static_cast<Lane<T>*>(buffer),
                                               path == PoolPath::sliding ? stretch<Lane<T>>(job) : 0};
  const T* in = static_cast<const T*>(src);
  const int64_t width = job.x.out * job.inner, plane = job.z.in * job.y.in * job.x.in * job.inner;
  T* out = static_cast<T*>(dst) + first * width;
  const bool whole = !kTransposed && width == 1 && job.z.out * job.y.out == 1 && job.z.in * job.y.in == 1 &&
                     job.z.begin[0] < job.z.end[0] && job.y.begin[0] < job.y.end[0] &&  // not in the padding
                     job.x.end[0] - job.x.begin[0] == plane;
  if (path == PoolPath::reducing && whole && job.x.dilation == 1) {
    Lane<T> divisor = pool.row_divisor(0, 0);
    if constexpr (Op<Lane<T>>::kMean) divisor *= pool.scale_x()[0];
    return pool.whole_planes(in + first * plane, plane, last - first, divisor, out);
  }
  int64_t oz = first / job.y.out, oy = first % job.y.out;
  for (int64_t row = first; row < last; ++row, out += width) {
    const Rows<T> of = pool.rows_of(in, oz, oy);
    const Lane<T> divisor = pool.row_divisor(oz, oy);
    if (++oy == job.y.out) {
      oy = 0;
      if (++oz == job.z.out) {
        oz = 0;
        in += plane;
      }
    }
    if (path == PoolPath::direct) {
      pool.direct(of, divisor, out, c0, c1);
    } else if (path == PoolPath::permuting) {
      permute_row<T, Op<Lane<T>>, kTransposed>(job, of, divisor, buffer, out);
    } else if (path == PoolPath::reducing) {
      pool.reducing(of, divisor, out);
    } else {
      if constexpr (kTransposed)
        pool.sliding_transposed(of, out);
      else
        pool.sliding(of, divisor, out);
    }
  }
}

/// For the widest type: the line and what slides over it, each with its slack.
int64_t buffer_bytes(const PoolJob& job, PoolPath path, bool transposed) {
  const PoolAxis& x = job.x;
  int64_t elements = 0;
  if (path == PoolPath::sliding) {
    const int64_t pixels = stretch<float>(job) < x.out ? stretch<float>(job) : x.out;
    elements = 2 * job.inner * (transposed ? pixels + x.kernel : pixels * x.stride + (x.kernel - 1) * x.dilation + 1);
  } else if (path == PoolPath::reducing) {
    elements = job.z.in * job.y.in == 1 && x.dilation == 1 && !transposed ? 0 : x.in;
  }
  return elements * 8 + 32 * FASTCNN_VECTOR_BYTES;
}

void prepare(const PoolJob& job, PoolPath path, bool wide, bool transposed, bool mean, void* buffer) {
  if (path == PoolPath::permuting) prepare_permutation(job, wide, transposed, mean, buffer);
}

}  // namespace
}  // namespace fastcnn::FASTCNN_ISA
