// Masks of any dtype as bytes.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/dtypes.h"

namespace fastcnn {

/// Half floats by their bits: both zeros are zero, NaN is not.
template <class T>
inline bool is_nonzero(T value) {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>)
    return (value.bits & 0x7fffu) != 0;
  else
    return value != T{};
}

/// n pixels as zero and non-zero bytes; bool and uint8 are returned as they are.
template <class T>
const uint8_t* nonzero_bytes(const T* src, int64_t n, uint8_t* buffer) {
  if constexpr (sizeof(T) == 1) {
    return reinterpret_cast<const uint8_t*>(src);
  } else {
    for (int64_t i = 0; i < n; ++i) buffer[i] = is_nonzero(src[i]);
    return buffer;
  }
}

}  // namespace fastcnn
