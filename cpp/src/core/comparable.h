// Images whose pixels the compiler can compare: halves become floats, bool becomes bytes.
#pragma once

#include <type_traits>

#include "core/half.h"
#include "core/image_batch.h"

namespace fastcnn {

template <class T>
using Comparable = std::conditional_t<std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>, float,
                                      std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>;

template <class T>
const Comparable<T>* comparable(const ImageSource& source, int64_t i, int64_t size, Scratch& scratch) {
  const T* image = source.image<T>(i, scratch);
  if constexpr (std::is_same_v<Comparable<T>, float> && !std::is_same_v<T, float>) {
    auto* wide = scratch.get<float>(size);
    for (int64_t p = 0; p < size; ++p) wide[p] = static_cast<float>(image[p]);
    return wide;
  } else {
    return reinterpret_cast<const Comparable<T>*>(image);
  }
}

}  // namespace fastcnn
