// Images whose pixels the compiler can compare: half precision becomes float, bool becomes bytes. int8 and uint32 are
// widened, so that code is compiled for fewer types.
#pragma once

#include <type_traits>

#include "core/half.h"
#include "core/image_batch.h"

namespace fastcnn {

template <class T>
struct ComparableOf {
  using type = T;
};
template <>
struct ComparableOf<bool> {
  using type = uint8_t;
};
template <>
struct ComparableOf<int8_t> {
  using type = int16_t;
};
template <>
struct ComparableOf<uint32_t> {
  using type = int64_t;
};
template <>
struct ComparableOf<Float16> {
  using type = float;
};
template <>
struct ComparableOf<BFloat16> {
  using type = float;
};
template <class T>
using Comparable = typename ComparableOf<T>::type;

template <class T>
const Comparable<T>* comparable(const ImageSource& source, int64_t i, int64_t size, Scratch& scratch) {
  const T* image = source.image<T>(i, scratch);
  if constexpr (sizeof(Comparable<T>) != sizeof(T)) {
    auto* wide = scratch.get<Comparable<T>>(size);
    for (int64_t p = 0; p < size; ++p) wide[p] = static_cast<Comparable<T>>(image[p]);
    return wide;
  } else {
    return reinterpret_cast<const Comparable<T>*>(image);
  }
}

}  // namespace fastcnn
