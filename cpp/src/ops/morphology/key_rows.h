// Shared by the erosion kernels of one ISA: extrema, float keys, and loops over rows of any length.
#pragma once

#include "core/simd.h"

namespace fastcnn::FASTCNN_ISA {
namespace {

template <int Bytes>
struct UnsignedOf;
template <>
struct UnsignedOf<1> {
  using type = uint8_t;
};
template <>
struct UnsignedOf<2> {
  using type = uint16_t;
};
template <>
struct UnsignedOf<4> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<8> {
  using type = uint64_t;
};
template <class T>
inline constexpr bool is_signed = T(-1) < T(0);
/// The greatest of T.
template <class T>
inline constexpr T greatest = is_signed<T> ? T(typename UnsignedOf<sizeof(T)>::type(-1) >> 1) : T(-1);

/// The extremum of two, and the key that never is one.
struct Min {
  template <class T>
  static constexpr T neutral() {
    return greatest<T>;
  }
  template <class V>
  static FASTCNN_INLINE V of(V a, V b) {
    return vmin(a, b);
  }
};
struct Max {
  template <class T>
  static constexpr T neutral() {
    return T(is_signed<T> ? -greatest<T> - 1 : 0);
  }
  template <class V>
  static FASTCNN_INLINE V of(V a, V b) {
    return vmax(a, b);
  }
};

// A vector or one element, as the tag says.
template <class T>
FASTCNN_INLINE Vec<T> get(const T* p, Vec<T>) {
  return load(p);
}
template <class T>
FASTCNN_INLINE T get(const T* p, T) {
  return *p;
}
template <class T>
FASTCNN_INLINE void put(T* p, Vec<T> v) {
  store(p, v);
}
template <class T>
FASTCNN_INLINE void put(T* p, T v) {
  *p = v;
}

/// f(tag, x) over [0, n). The last vector overlaps its neighbour: extrema do not mind being taken twice.
template <class T, class F>
FASTCNN_INLINE void each_vector(int64_t n, const F& f) {
  int64_t x = 0;
  for (; x + lanes<T> <= n; x += lanes<T>) f(Vec<T>{}, x);
  if (x == n) return;
  if (n >= lanes<T>)
    f(Vec<T>{}, n - lanes<T>);
  else
    for (; x < n; ++x) f(T{}, x);
}

/// The unsigned twin of V, an element T or a vector of them.
template <class T, class V>
struct Twin {
  using type = Vec<typename UnsignedOf<sizeof(T)>::type>;
};
template <class T>
struct Twin<T, T> {
  using type = typename UnsignedOf<sizeof(T)>::type;
};

/// Sign and magnitude to two's complement, and back.
template <class T, class V>
FASTCNN_INLINE V flip(V bits) {
  constexpr int shift = 8 * int(sizeof(T)) - 1;
  const V rest = V(V{} + greatest<T>);
  return V(bits ^ V(V(bits >> shift) & rest));
}
template <class T, class V>
FASTCNN_INLINE V add(V key, T bias) {
  using U = typename Twin<T, V>::type;
  return V(U(U(key) + U(V(V{} + bias))));
}

/// order_key.h on vectors. `floats` is false for integers, which are their own keys.
template <bool floats, class T, class V>
FASTCNN_INLINE V encoded(V bits, T bias) {
  if constexpr (floats)
    return add<T>(flip<T>(bits), bias);
  else
    return bits;
}
template <bool floats, class T, class V>
FASTCNN_INLINE V decoded(V key, T bias) {
  if constexpr (floats)
    return flip<T>(add<T>(key, T(-bias)));
  else
    return key;
}

FASTCNN_INLINE int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }
FASTCNN_INLINE int64_t maximum(int64_t a, int64_t b) { return a > b ? a : b; }

}  // namespace
}  // namespace fastcnn::FASTCNN_ISA
