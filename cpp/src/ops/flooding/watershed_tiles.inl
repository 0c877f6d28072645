// See watershed.cpp for the definition. A tile and a ring of its neighbours' pixels are in the first-level cache.
// Sweeps propagate keys down and up its columns, one row per vector; the tile is transposed to propagate them along its
// rows. A tile of a volume also has sweeps across its planes. It has converged if no sweep changes a key.
#include <string.h>

#include "core/simd.h"
#include "ops/flooding/watershed_simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

constexpr int S = kTileSide;
constexpr int Z = kTileDepth;

template <class T>
constexpr T kNone = T(~T(0));

// --- lanes ---

template <int... I>
struct Lanes {};
template <int N, int... I>
struct MakeLanes : MakeLanes<N - 1, N - 1, I...> {};
template <int... I>
struct MakeLanes<0, I...> {
  using type = Lanes<I...>;
};
template <class T>
using AllLanes = typename MakeLanes<lanes<T>>::type;

/// Lane i gets lane i - 1, lane 0 the last lane of `before`.
template <class T, int... I>
FASTCNN_INLINE Vec<T> shift_up(Vec<T> before, Vec<T> v, Lanes<I...>) {
  return __builtin_shufflevector(before, v, (I + lanes<T> - 1)...);
}
/// Lane i gets lane i + 1, the last lane the first of `after`.
template <class T, int... I>
FASTCNN_INLINE Vec<T> shift_down(Vec<T> v, Vec<T> after, Lanes<I...>) {
  return __builtin_shufflevector(v, after, (I + 1)...);
}

template <class T>
FASTCNN_INLINE bool any_bit(Vec<T> v) {
  uint64_t words[FASTCNN_VECTOR_BYTES / 8], bits = 0;
  memcpy(words, &v, sizeof v);
  for (uint64_t word : words) bits |= word;
  return bits != 0;
}
/// The minimum lane, if it is less than `minimum`, which is rare.
template <class T>
FASTCNN_INLINE T min_lane(Vec<T> v, T minimum) {
  if (!any_bit<T>((Vec<T>)(v < minimum))) return minimum;
  for (int i = 0; i < lanes<T>; ++i) minimum = v[i] < minimum ? v[i] : minimum;
  return minimum;
}

/// 16-byte blocks for the transpose.
template <class T>
struct BlockOf {
  typedef T type __attribute__((vector_size(16)));
};
template <class T>
using Block = typename BlockOf<T>::type;

template <class T, int... I>
FASTCNN_INLINE Block<T> interleave_low(Block<T> a, Block<T> b, Lanes<I...>) {
  return __builtin_shufflevector(a, b, (I / 2 + (I % 2) * int(sizeof...(I)))...);
}
template <class T, int... I>
FASTCNN_INLINE Block<T> interleave_high(Block<T> a, Block<T> b, Lanes<I...>) {
  return __builtin_shufflevector(a, b, (I / 2 + (I % 2) * int(sizeof...(I)) + int(sizeof...(I)) / 2)...);
}

/// S x S elements: n interleavings of the first and the second half of 2^n rows transpose them.
template <class T>
void transpose(const T (*src)[S], T (*dst)[S]) {
  constexpr int N = 16 / int(sizeof(T));
  using L = typename MakeLanes<N>::type;
  for (int y = 0; y < S; y += N)
    for (int x = 0; x < S; x += N) {
      Block<T> a[N], b[N];
      for (int i = 0; i < N; ++i) a[i] = *reinterpret_cast<const Block<T>*>(&src[y + i][x]);
#pragma GCC unroll 3
      for (int width = 1; width < N; width *= 2) {
#pragma GCC unroll 4
        for (int i = 0; i < N / 2; ++i) {
          b[2 * i] = interleave_low<T>(a[i], a[i + N / 2], L{});
          b[2 * i + 1] = interleave_high<T>(a[i], a[i + N / 2], L{});
        }
#pragma GCC unroll 8
        for (int i = 0; i < N; ++i) a[i] = b[i];
      }
      for (int i = 0; i < N; ++i) *reinterpret_cast<Block<T>*>(&dst[x + i][y]) = a[i];
    }
}

// --- rules ---

// A neighbour makes an offer from its key and its own fixed value; the minimum offer wins. All rules work on scalars
// and on vectors.

/// key = min(key, max(fixed, least neighbour's key + step)). With level << shift | generation in the key and step 1,
/// the fixed point is level and generation together; with step 0 it is the level.
template <class T_, int step>
struct Flood {
  using T = T_;
  // The key of an unreached pixel, and the fixed value that keeps a pixel unreached. Adding the step must not wrap.
  static constexpr T kFar = T(~T(0) - step);
  static constexpr T kBarrier = kFar;
  static constexpr bool kCounts = step != 0;

  template <class V>
  FASTCNN_INLINE static V offer(V key, V, V, V) {
    return key;
  }
  template <class V>
  FASTCNN_INLINE static V accept(V key, V fixed, V offered) {
    const V risen = offered + T(step);
    const V next = risen > fixed ? risen : fixed;
    return next < key ? next : key;
  }
};

/// key = min(key, least key among the neighbours of equal level + 1): the generations, once the levels are known.
template <class T_>
struct Spread {
  using T = T_;
  static constexpr T kFar = T(~T(0) - 1);
  static constexpr T kBarrier = T(~T(0));
  static constexpr bool kCounts = false;

  template <class V>
  FASTCNN_INLINE static V offer(V key, V level, V own_level, V far) {
    return level == own_level ? key : far;
  }
  template <class V>
  FASTCNN_INLINE static V accept(V key, V, V offered) {
    const V next = offered + T(1);
    return next < key ? next : key;
  }
};

// --- a tile ---

/// Planes -1..Z and rows -1..S of columns 0..S-1; columns -1 and S lie apart.
template <class T>
struct alignas(64) Values {
  T rows[Z + 2][S + 2][S];
  T left[Z + 2][S + 2], right[Z + 2][S + 2];
};

template <class T>
struct alignas(64) Tile {
  Values<T> key, fixed;
  T turned_key[S + 2][S];  // of the plane at hand
  T turned_fixed[Z][S + 2][S];
};

template <class R, int connectivity>
struct Relaxation {
  using T = typename R::T;
  using V = Vec<T>;
  static constexpr int W = lanes<T>;
  static constexpr int N = S / W;  // vectors a row
  static constexpr bool kDiagonal = connectivity > 1;

  const FloodField<T>& field;
  Tile<T>& t;
  TileReport<T>* report;
  int depth, height, width;  // of what lies inside the image

  // Loading and storing.

  FASTCNN_INLINE void load_values(Values<T>& values, const T* image, T outside, int64_t z0, int64_t y0, int64_t x0) {
    const int ring = field.depth > 1 ? 1 : 0;
    for (int z = -ring; z < depth + ring; ++z)
      for (int y = -1; y <= S; ++y) {
        T* row = values.rows[z + 1][y + 1];
        T* left = &values.left[z + 1][y + 1];
        T* right = &values.right[z + 1][y + 1];
        const int64_t iz = z0 + z, iy = y0 + y;
        const bool inside = iz >= 0 && iz < field.depth && iy >= 0 && iy < field.height;
        const T* src = image + (iz * field.height + iy) * field.width + x0;
        if (inside && width == S) {
          for (int c = 0; c < N; ++c) store(row + c * W, load(src + c * W));
        } else {
          for (int c = 0; c < N; ++c) store(row + c * W, splat(outside));
          for (int x = 0; inside && x < width; ++x) row[x] = src[x];
        }
        *left = inside && x0 > 0 ? src[-1] : outside;
        *right = inside && x0 + S < field.width ? src[S] : outside;
      }
  }

  /// A prefetch hint; nothing outside is accessed.
  FASTCNN_INLINE void prefetch(const TilePlace& tile) const {
    const int64_t z0 = tile.z * Z, y0 = tile.y * S, x0 = tile.x * S;
    for (int64_t z = z0 - 1; z <= z0 + Z; ++z)
      for (int64_t y = y0 - 1; y <= y0 + S; ++y) {
        if (z < 0 || z >= field.depth || y < 0 || y >= field.height) continue;
        const int64_t first = (z * field.height + y) * field.width + x0;
        constexpr int64_t kLine = 64 / int64_t(sizeof(T));
        for (int64_t x = -kLine; x < S + kLine; x += kLine) {
          __builtin_prefetch(field.key + first + x);
          __builtin_prefetch(field.fixed + first + x);
        }
      }
  }

  FASTCNN_INLINE void store_keys(int64_t z0, int64_t y0, int64_t x0) {
    V full{};
    for (int z = 0; z < depth; ++z)
      for (int y = 0; y < height; ++y) {
        const T* row = t.key.rows[z + 1][y + 1];
        T* dst = field.key + ((z0 + z) * field.height + y0 + y) * field.width + x0;
        for (int c = 0; c < N; ++c) {
          const V v = load(row + c * W);
          if (R::kCounts) full |= (V)((v & field.generation_mask) == field.generation_mask) | (V)(v == T(R::kFar - 1));
          if (width == S) store(dst + c * W, v);
        }
        for (int x = 0; width < S && x < width; ++x) dst[x] = row[x];
      }
    report->overflow = R::kCounts && any_bit<T>(full);
  }

  // Offers.

  /// The offers of the pixels of row (z, y) to the opposite pixels with the fixed values `own` and, if `sideways`, to
  /// those one column away. `ends`: columns -1 and S count too.
  FASTCNN_INLINE V offers(int z, int y, int c, V own, bool sideways, bool ends) const {
    const V far = splat(T(R::kFar));
    const T* key = t.key.rows[z + 1][y + 1];
    const T* fixed = t.fixed.rows[z + 1][y + 1];
    const V k = load(key + c * W), f = load(fixed + c * W);
    V minimum = R::offer(k, f, own, far);
    if (sideways) {
      const V k_before = c > 0 ? load(key + (c - 1) * W) : ends ? splat(t.key.left[z + 1][y + 1]) : far;
      const V k_after = c + 1 < N ? load(key + (c + 1) * W) : ends ? splat(t.key.right[z + 1][y + 1]) : far;
      const V f_before = c > 0 ? load(fixed + (c - 1) * W) : splat(t.fixed.left[z + 1][y + 1]);
      const V f_after = c + 1 < N ? load(fixed + (c + 1) * W) : splat(t.fixed.right[z + 1][y + 1]);
      minimum = vmin(minimum, R::offer(shift_up<T>(k_before, k, AllLanes<T>{}), shift_up<T>(f_before, f, AllLanes<T>{}),
                                       own, far));
      minimum = vmin(minimum, R::offer(shift_down<T>(k, k_after, AllLanes<T>{}),
                                       shift_down<T>(f, f_after, AllLanes<T>{}), own, far));
    }
    return minimum;
  }

  // Sweeps; each returns whether a key changed.

  /// Rows 1..count, each from the one before it, there and back.
  FASTCNN_INLINE bool sweep_straight(T (*key)[S], const T (*fixed)[S], int count) const {
    constexpr int G = N < 4 ? N : 4;  // independent chains hide the latency
    const V far = splat(T(R::kFar));
    V changed{};
    for (int group = 0; group < N; group += G) {
      for (int back = 0; back < 2; ++back) {
        V k[G], f[G];
        for (int c = 0; c < G; ++c) {
          k[c] = load(&key[back ? count + 1 : 0][(group + c) * W]);
          f[c] = load(&fixed[back ? count + 1 : 0][(group + c) * W]);
        }
        for (int i = 1; i <= count; ++i) {
          const int y = back ? count + 1 - i : i;
          for (int c = 0; c < G; ++c) {
            T* at = &key[y][(group + c) * W];
            const V own = load(&fixed[y][(group + c) * W]), old = load(at);
            k[c] = R::accept(old, own, R::offer(k[c], f[c], own, far));
            f[c] = own;
            changed |= k[c] ^ old;
            store(at, k[c]);
          }
        }
      }
    }
    return any_bit<T>(changed);
  }

  FASTCNN_INLINE bool sweep_rows(int z) {
    if (!kDiagonal) return sweep_straight(t.key.rows[z + 1], t.fixed.rows[z + 1], height);
    V changed{};
    for (int back = 0; back < 2; ++back)
      for (int i = 0; i < height; ++i) {
        const int y = back ? height - 1 - i : i, from = back ? y + 1 : y - 1;
        for (int c = 0; c < N; ++c)
          changed |= relax(z, y, c, [&](V own) { return offers(z, from, c, own, true, true); });
      }
    return any_bit<T>(changed);
  }

  FASTCNN_INLINE bool sweep_columns(int z) { return sweep_straight(t.turned_key, t.turned_fixed[z], width); }

  /// Bit z of the result: plane z changed.
  FASTCNN_INLINE uint32_t sweep_planes() {
    uint32_t planes = 0;
    for (int back = 0; back < 2; ++back)
      for (int i = 0; i < depth; ++i) {
        const int z = back ? depth - 1 - i : i, from = back ? z + 1 : z - 1;
        V changed{};
        for (int y = 0; y < height; ++y)
          for (int c = 0; c < N; ++c)
            changed |= relax(z, y, c, [&](V own) {
              V minimum = offers(from, y, c, own, connectivity > 1, true);
              if (connectivity > 1) {
                minimum = vmin(minimum, offers(from, y - 1, c, own, connectivity > 2, true));
                minimum = vmin(minimum, offers(from, y + 1, c, own, connectivity > 2, true));
              }
              return minimum;
            });
        planes |= uint32_t(any_bit<T>(changed)) << z;
      }
    return planes;
  }

  template <class Offers>
  FASTCNN_INLINE V relax(int z, int y, int c, const Offers& offered) {
    T* at = &t.key.rows[z + 1][y + 1][c * W];
    const V own = load(&t.fixed.rows[z + 1][y + 1][c * W]), old = load(at);
    const V now = R::accept(old, own, offered(own));
    store(at, now);
    return now ^ old;
  }

  // The transpose of plane z, with columns -1 and S as rows.

  FASTCNN_INLINE void turn_fixed(int z) {
    transpose<T>(&t.fixed.rows[z + 1][1], &t.turned_fixed[z][1]);
    for (int y = 0; y < S; ++y) {
      t.turned_fixed[z][0][y] = t.fixed.left[z + 1][y + 1];
      t.turned_fixed[z][S + 1][y] = t.fixed.right[z + 1][y + 1];
    }
  }
  FASTCNN_INLINE void turn(int z) {
    transpose<T>(&t.key.rows[z + 1][1], &t.turned_key[1]);
    for (int y = 0; y < S; ++y) {
      t.turned_key[0][y] = t.key.left[z + 1][y + 1];
      t.turned_key[S + 1][y] = t.key.right[z + 1][y + 1];
    }
  }
  FASTCNN_INLINE void turn_back(int z) { transpose<T>(&t.turned_key[1], &t.key.rows[z + 1][1]); }

  // The offers of the tile to its neighbours.

  FASTCNN_INLINE static int neighbor(int at, int size) { return at < 0 ? 0 : at < size ? 1 : 2; }

  FASTCNN_INLINE void report_offer(int z, int y, int x, T key) {
    T* minimum = &report->offer[9 * neighbor(z, depth) + 3 * neighbor(y, height) + neighbor(x, width)];
    if (key < *minimum) *minimum = key;
  }

  FASTCNN_INLINE static V improvement(V key, V fixed, V offered) {
    const V next = R::accept(key, fixed, offered);
    return next < key ? next : splat(kNone<T>);
  }

  /// To row (z, y) of the ring, from the pixels of the tile beside it.
  FASTCNN_INLINE void offer_row(int z, int y) {
    V minimum = splat(kNone<T>);
    for (int c = 0; c < N; ++c) {
      const V own = load(&t.fixed.rows[z + 1][y + 1][c * W]), key = load(&t.key.rows[z + 1][y + 1][c * W]);
      V offered = splat(T(R::kFar));
      for (int dz = -1; dz <= 1; ++dz)
        for (int dy = -1; dy <= 1; ++dy) {
          const int steps = (dz != 0) + (dy != 0), sz = z + dz, sy = y + dy;
          if (steps == 0 || steps > connectivity || sz < 0 || sz >= depth || sy < 0 || sy >= height) continue;
          offered = vmin(offered, offers(sz, sy, c, own, steps < connectivity, false));
        }
      minimum = vmin(minimum, improvement(key, own, offered));
    }
    report_offer(z, y, 0, min_lane<T>(minimum, kNone<T>));
  }

  /// To pixel (z, y) of column -1 or S.
  FASTCNN_INLINE void offer_side(int z, int y, int x) {
    const bool before = x < 0;
    const T own = (before ? t.fixed.left : t.fixed.right)[z + 1][y + 1];
    const T key = (before ? t.key.left : t.key.right)[z + 1][y + 1];
    T offered = R::kFar;
    for (int dz = -1; dz <= 1; ++dz)
      for (int dy = -1; dy <= 1; ++dy) {
        const int sz = z + dz, sy = y + dy, sx = before ? 0 : S - 1;
        if ((dz != 0) + (dy != 0) >= connectivity || sz < 0 || sz >= depth || sy < 0 || sy >= height) continue;
        const T o = R::offer(t.key.rows[sz + 1][sy + 1][sx], t.fixed.rows[sz + 1][sy + 1][sx], own, T(R::kFar));
        if (o < offered) offered = o;
      }
    const T next = R::accept(key, own, offered);
    if (next < key) report_offer(z, y, x, next);
  }

  /// The same for 6 and 4 neighbours, while plane z lies turned: a column is a row then.
  FASTCNN_INLINE void offer_turned(int z) {
    for (int side = 0; side < 2; ++side) {
      const int to = side ? S + 1 : 0, from = side ? S : 1;
      V minimum = splat(kNone<T>);
      for (int c = 0; c < N; ++c) {
        const V own = load(&t.turned_fixed[z][to][c * W]);
        const V offered =
            R::offer(load(&t.turned_key[from][c * W]), load(&t.turned_fixed[z][from][c * W]), own, splat(T(R::kFar)));
        minimum = vmin(minimum, improvement(load(&t.turned_key[to][c * W]), own, offered));
      }
      side_offer[z][side] = min_lane<T>(minimum, kNone<T>);
    }
  }
  T side_offer[Z][2];

  FASTCNN_INLINE void offer_all() {
    const bool volume = field.depth > 1;
    for (int z = 0; z < depth; ++z) {
      offer_row(z, -1);
      if (height == S) offer_row(z, S);
    }
    if (volume)
      for (int z = -1; z <= depth; z += depth + 1)
        for (int y = kDiagonal ? -1 : 0; y < height + (kDiagonal ? 1 : 0); ++y) offer_row(z, y);
    if (kDiagonal) {
      for (int z = volume ? -1 : 0; z < depth + (volume ? 1 : 0); ++z)
        for (int y = -1; y <= height; ++y) {
          offer_side(z, y, -1);
          if (width == S) offer_side(z, y, S);
        }
    } else {
      for (int z = 0; z < depth; ++z) {
        report_offer(z, 0, -1, side_offer[z][0]);
        if (width == S) report_offer(z, 0, S, side_offer[z][1]);
      }
    }
  }

  FASTCNN_INLINE void run(const TilePlace& tile, const TilePlace& next) {
    const int64_t z0 = tile.z * Z, y0 = tile.y * S, x0 = tile.x * S;
    load_values(t.fixed, field.fixed, R::kBarrier, z0, y0, x0);
    load_values(t.key, field.key, R::kFar, z0, y0, x0);
    prefetch(next);
    for (int i = 0; i < 27; ++i) report->offer[i] = kNone<T>;
    for (int z = 0; z < depth; ++z) turn_fixed(z);

    // Bits of planes whose rows or columns must be swept because their pixels changed after the last sweep.
    const uint32_t all = (1u << depth) - 1;
    uint32_t rows = all, columns = all;
    bool planes = depth > 1 || field.depth > 1;
    while (rows | columns | uint32_t(planes)) {
      if (planes) {
        const uint32_t changed = sweep_planes();
        rows |= changed;
        columns |= changed;
        planes = kDiagonal && changed;
      }
      for (int z = 0; z < depth; ++z) {
        const uint32_t plane = 1u << z;
        bool changed = false;
        if (rows & plane) {
          rows &= ~plane;
          if (sweep_rows(z)) {
            changed = true;
            columns |= plane;
            if (kDiagonal) rows |= plane;  // a path may zigzag
          }
        }
        if (columns & plane) {
          columns &= ~plane;
          turn(z);
          if (sweep_columns(z)) {
            changed = true;
            turn_back(z);
            rows |= plane;
          }
          if (!kDiagonal) offer_turned(z);
        }
        planes |= changed && field.depth > 1;
      }
    }
    store_keys(z0, y0, x0);
    offer_all();
  }
};

FASTCNN_INLINE int min_int(int64_t a, int b) { return a < b ? int(a) : b; }

template <class R, int connectivity>
void relax_connected(const FloodField<typename R::T>& field, const TilePlace& tile, const TilePlace& next,
                     void* workspace, TileReport<typename R::T>* report) {
  Relaxation<R, connectivity> relaxation{field,
                                         *static_cast<Tile<typename R::T>*>(workspace),
                                         report,
                                         min_int(field.depth - tile.z * Z, Z),
                                         min_int(field.height - tile.y * S, S),
                                         min_int(field.width - tile.x * S, S),
                                         {}};
  relaxation.run(tile, next);
}

template <class R>
void relax_tile(const FloodField<typename R::T>& field, const TilePlace& tile, const TilePlace& next, void* workspace,
                TileReport<typename R::T>* report) {
  switch (field.connectivity) {
    case 1: return relax_connected<R, 1>(field, tile, next, workspace, report);
    case 2: return relax_connected<R, 2>(field, tile, next, workspace, report);
    default: return relax_connected<R, 3>(field, tile, next, workspace, report);
  }
}

// --- rows ---

constexpr int kOwnRow = 4;

/// A vector of T from bytes, and a vector of numbers below 256 to bytes.
template <class T>
struct BytesOf {
  typedef uint8_t type __attribute__((vector_size(lanes<T>)));
};
template <class T>
FASTCNN_INLINE Vec<T> load_bytes(const uint8_t* src) {
  typename BytesOf<T>::type bytes;
  memcpy(&bytes, src, sizeof bytes);
  return __builtin_convertvector(bytes, Vec<T>);
}
template <class T>
FASTCNN_INLINE void store_bytes(uint8_t* dst, Vec<T> v) {
  const auto bytes = __builtin_convertvector(v, typename BytesOf<T>::type);
  memcpy(dst, &bytes, sizeof bytes);
}

template <class T>
void start_row(const T* value, const uint8_t* root, const uint8_t* inside, int shift, T gap, T far, int64_t width,
               T* fixed, T* key, T* minimum) {
  int64_t x = 0;
  for (; x + lanes<T> <= width; x += lanes<T>) {
    Vec<T> v = load(value + x);
    v = (v + (Vec<T>)(v > gap)) << shift;
    const auto is_root = load_bytes<T>(root + x) != 0;
    const Vec<T> k = is_root ? v : splat(far);
    store(fixed + x, (load_bytes<T>(inside + x) != 0) & ~is_root ? v : splat(far));
    store(key + x, k);
    minimum[x / S] = min_lane<T>(k, minimum[x / S]);
  }
  for (; x < width; ++x) {
    const T v = T(T(value[x] - (value[x] > gap)) << shift);
    fixed[x] = inside[x] && !root[x] ? v : far;
    key[x] = root[x] ? v : far;
    if (key[x] < minimum[x / S]) minimum[x / S] = key[x];
  }
}

template <class T>
void source_row(const RowsAround<T>& level, const Neighborhood& neighbors, const uint8_t* root, int64_t width,
                T* generation, uint8_t* open) {
  for (int64_t x = 0; x < width; x += lanes<T>) {
    const Vec<T> own = load(level.rows[kOwnRow] + x);
    Vec<T> minimum = own;
    for (int i = 0; i < neighbors.count; ++i)
      minimum = vmin(minimum, load(level.rows[neighbors.offsets[i].row] + x + neighbors.offsets[i].dx));
    const auto reached = own != kNone<T>;  // false past the width
    const auto source = reached & ((minimum < own) | (load_bytes<T>(root + x) != 0));
    store(generation + x, source ? Vec<T>{} : splat(T(kNone<T> - 1)));
    if (any_bit<T>((Vec<T>)(reached & ~source))) open[x / S] = 1;
  }
}

template <class T, bool kCombined>
void parent_row(const RowsAround<T>& level, const RowsAround<T>* generation, const Neighborhood& neighbors,
                int64_t width, uint8_t* parent) {
  const Vec<T> far = splat(T(kNone<T> - kCombined));
  for (int64_t x = 0; x < width; x += lanes<T>) {
    Vec<T> minimum = far, min_generation = far, best = splat(T(kNoParent));
    for (int i = 0; i < neighbors.count; ++i) {
      const NeighborOffset at = neighbors.offsets[i];
      const Vec<T> l = load(level.rows[at.row] + x + at.dx);
      if (kCombined) {
        best = l < minimum ? splat(T(i)) : best;
        minimum = vmin(minimum, l);
      } else {
        const Vec<T> g = load(generation->rows[at.row] + x + at.dx);
        const auto less = (l < minimum) | ((l == minimum) & (g < min_generation));
        best = less ? splat(T(i)) : best;
        min_generation = less ? g : min_generation;
        minimum = vmin(minimum, l);
      }
    }
    store_bytes<T>(parent + x, load(level.rows[kOwnRow] + x) == far ? splat(T(kNoParent)) : best);
  }
}

template <class T>
void parent_row_any(const RowsAround<T>& level, const RowsAround<T>* generation, const Neighborhood& neighbors,
                    int64_t width, uint8_t* parent) {
  return generation ? parent_row<T, false>(level, generation, neighbors, width, parent)
                    : parent_row<T, true>(level, generation, neighbors, width, parent);
}

}  // namespace
}  // namespace fastcnn::FASTCNN_ISA
