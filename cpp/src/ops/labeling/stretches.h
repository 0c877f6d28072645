// Stretches of equal values in a row, found over bit masks of the places where the value changes.
#pragma once

#include <algorithm>
#include <atomic>

#include "fastcnn/context.h"
#include "ops/labeling/stretches_simd.h"

namespace fastcnn {

/// Calls body(first, end, value) for the stretches of equal values of p[begin, end).
template <class T, class Body>
void for_each_stretch(const T* p, int64_t begin, int64_t end, const Body& body) {
  const StretchKernels& kernels = FASTCNN_SELECT(stretch_kernels);
  constexpr int64_t kChunk = 4096;
  uint64_t bits[kChunk / 64];
  int64_t first = begin;
  for (int64_t chunk = begin + 1; chunk < end; chunk += kChunk) {
    const int64_t n = std::min(kChunk, end - chunk);
    kernels.changes(p + chunk, sizeof(T), n, bits);
    for (int64_t word = 0; word * 64 < n; ++word)
      for (uint64_t changes = bits[word]; changes; changes &= changes - 1) {
        const int64_t next = chunk + word * 64 + __builtin_ctzll(changes);
        body(first, next, p[first]);
        first = next;
      }
  }
  if (first < end) body(first, end, p[first]);
}

/// All values of p[0, n) or-ed together: at least the largest of them and less than twice that, if none is negative.
template <class T>
uint64_t any_bits(const Context& context, const T* p, int64_t n) {
  const StretchKernels& kernels = FASTCNN_SELECT(stretch_kernels);
  std::atomic<uint64_t> all{0};
  context.parallel_for(0, n, 1 << 16, [&](int64_t begin, int64_t end) {
    all.fetch_or(kernels.any_bits(p + begin, sizeof(T), end - begin), std::memory_order_relaxed);
  });
  return all;
}

}  // namespace fastcnn
