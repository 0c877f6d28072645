// Pixel values as unsigned integers of the same order: ±0 is one key, and NaN one key above +inf.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/half.h"

namespace fastcnn {

template <class T>
using OrderedKey = std::conditional_t<
    sizeof(T) == 1, uint8_t,
    std::conditional_t<sizeof(T) == 2, uint16_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>>;

template <class T>
inline constexpr bool is_floating =
    std::is_floating_point_v<T> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

/// The bits of +inf.
template <class T>
inline constexpr OrderedKey<T> kInfinityBits = 0;
template <>
inline constexpr uint16_t kInfinityBits<Float16> = 0x7c00;
template <>
inline constexpr uint16_t kInfinityBits<BFloat16> = 0x7f80;
template <>
inline constexpr uint32_t kInfinityBits<float> = 0x7f800000;
template <>
inline constexpr uint64_t kInfinityBits<double> = 0x7ff0000000000000;

template <class T>
OrderedKey<T> ordered_key(T value) {
  using K = OrderedKey<T>;
  constexpr K kSign = K(K(1) << (8 * sizeof(K) - 1));
  K bits;
  std::memcpy(&bits, &value, sizeof bits);
  if constexpr (std::is_same_v<T, bool>) {
    return bits != 0;
  } else if constexpr (is_floating<T>) {
    const K magnitude = bits & K(~kSign);
    if (magnitude > kInfinityBits<T>) return K((kInfinityBits<T> | kSign) + 1);
    return bits & kSign ? K(kSign - magnitude) : K(kSign + magnitude);  // −0 and +0 meet at the sign bit
  } else if constexpr (std::is_signed_v<T>) {
    return K(bits ^ kSign);
  } else {
    return bits;
  }
}

}  // namespace fastcnn
